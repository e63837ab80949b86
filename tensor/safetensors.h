#pragma once
// Named tensors and string metadata, to and from a file in the safetensors format (Hugging Face):
// 8 bytes of little-endian header length, a JSON header, then the elements, with no gaps.
//
// Writing is atomic: a temporary file in the same directory is synced and renamed, so after a crash
// or a full disk the file holds either the old or the new contents. Equal contents give equal bytes
// (everything is in the order of the names). Reading trusts nothing: what a file says is checked
// against its size before memory is taken for it. F32, F64 and I32 are written; I64 is also read,
// into i32, when every value fits.

#include <functional>
#include <string>

#include <tapestry/tensor/named_tensors.h>

namespace tapestry {

/// Replaces or creates the file `path`. Throws FileError with the system's reason, or ValueError
/// for a name that is not UTF-8.
void write_safetensors(const std::string& path, const NamedTensors& contents);

/// Throws FileError when the file cannot be read, FormatError (file, tensor, what is wrong) when
/// its contents are malformed.
NamedTensors read_safetensors(const std::string& path);

/// The same, a tensor at a time in the order of the names, so that what is not kept takes no memory
/// for long. Returns the metadata.
std::map<std::string, std::string> read_safetensors(
    const std::string& path, const std::function<void(const std::string& name, Tensor)>& take);

}  // namespace tapestry
