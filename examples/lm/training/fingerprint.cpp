#include <fmt/format.h>
#include <tapestry/examples/lm/training/fingerprint.h>
#include <tapestry/tensor/arith.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace tapestry::lm {

// Every step maps h one to one for a given word, and the word one to one for a given h: a change of
// one word always changes the result.
uint64_t hash_bytes(const void* data, size_t size, uint64_t seed) {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
  uint64_t h = seed ^ (size * kFactor);
  const auto* at = static_cast<const char*>(data);
  for (; size > 0;) {
    uint64_t word = 0;
    const size_t n = std::min(size, sizeof word);
    std::memcpy(&word, at, n);
    h = std::rotl(h ^ word, 29) * kFactor;
    at += n, size -= n;
  }
  return h ^ (h >> 32);
}

uint64_t hash_text(const std::string& text, uint64_t seed) {
  return hash_bytes(text.data(), text.size(), seed);
}

uint64_t hash_tensor(const std::string& name, const Tensor& tensor, uint64_t seed) {
  uint64_t h = hash_text(name, seed);
  for (int i = 0; i < tensor.rank(); ++i) {
    const int64_t n = tensor.shape()[i];
    h = hash_bytes(&n, sizeof n, h);
  }
  const Tensor whole = tensor.to_contiguous();
  dispatch_any(whole.dtype(), [&](auto zero) {
    const auto values = whole.read<decltype(zero)>();
    h = hash_bytes(values.data(), values.size_bytes(), h);
  });
  return h;
}

uint64_t fingerprint(const NamedTensors& state, const std::string& prefix) {
  uint64_t h = 0;
  for (const auto& [name, tensor] : state.tensors)
    if (name.starts_with(prefix)) h = hash_tensor(name, tensor, h);
  return h;
}

std::string hex(uint64_t fingerprint) { return fmt::format("{:016x}", fingerprint); }

}  // namespace tapestry::lm
