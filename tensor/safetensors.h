#pragma once
// Named tensors and string metadata, to and from a file in the safetensors format (Hugging Face):
// 8 bytes of little-endian header length, a JSON header, then the elements, with no gaps.
//
// Writing is atomic: a temporary file in the same directory is synced and renamed, so after a crash
// or a full disk the file holds either the old or the new contents. Equal contents give equal bytes
// (everything is in the order of the names). Reading trusts nothing: what a file says is checked
// against its size before memory is taken for it. F32, F64 and I32 are written; I64 is also read,
// into i32, when every value fits.

#include <charconv>
#include <map>
#include <string>
#include <system_error>

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// The contents of a file. Numbers and generators are kept exactly, as text in the metadata.
struct NamedTensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  template <class N>
  void put(const std::string& key, N number);
  void put(const std::string& key, const Rng& rng);

  // Each throws FormatError when the metadata has no such key, or something else there.
  const std::string& text(const std::string& key) const;
  template <class N>
  N number(const std::string& key) const;
  Rng rng(const std::string& key) const;
};

/// Replaces or creates the file `path`. Throws FileError with the system's reason, or ValueError
/// for a name that is not UTF-8.
void write_safetensors(const std::string& path, const NamedTensors& contents);

/// Throws FileError when the file cannot be read, FormatError (file, tensor, what is wrong) when
/// its contents are malformed.
NamedTensors read_safetensors(const std::string& path);

// ------------------------------------------------------------------------------------------------

template <class N>
void NamedTensors::put(const std::string& key, N number) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  metadata[key].assign(text, end);
}

template <class N>
N NamedTensors::number(const std::string& key) const {
  const std::string& from = text(key);
  N out{};
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), out);
  require<FormatError>(error == std::errc() && end == from.data() + from.size(), "load: ", key,
                       " is \"", from, "\" in the file, expected a number");
  return out;
}

}  // namespace tapestry
