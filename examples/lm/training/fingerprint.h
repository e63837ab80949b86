#pragma once
// Hashes that tell whether two things are the same to the bit. Not cryptographic.

#include <cstddef>
#include <cstdint>
#include <string>

#include <tapestry/tensor/safetensors.h>

namespace tapestry::lm {

/// A hash of bytes that goes on from `seed`; a change of up to 8 bytes always changes it.
uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0);
uint64_t hash_text(const std::string& text, uint64_t seed = 0);

/// Of a tensor's name, shape and elements.
uint64_t hash_tensor(const std::string& name, const Tensor& tensor, uint64_t seed = 0);

/// 64 bits that depend on every bit of the tensors whose names begin with `prefix`, and on their
/// names and shapes: equal for runs that did the same.
uint64_t fingerprint(const NamedTensors& state, const std::string& prefix = "");
/// As people read it: 16 hexadecimal digits.
std::string hex(uint64_t fingerprint);

}  // namespace tapestry::lm
