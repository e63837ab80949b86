#pragma once
// Arrays of NumPy in a file as np.savez writes it: a zip archive with a .npy file for each.
// float32 and float64, of up to four dimensions, in either order of elements.

#include <tapestry/tensor/tensor.h>

#include <map>
#include <string>
#include <string_view>

namespace tapestry::lm {

using Arrays = std::map<std::string, Tensor>;

/// Replaces or creates the file `path`, as a whole or not at all. Throws FileError.
void write_npz(const std::string& path, const Arrays& arrays);

/// Throws FileError where the file cannot be read, FormatError (file, array, what is wrong) where
/// it is malformed.
Arrays read_npz(const std::string& path);
/// The same of the bytes of a file, which messages call `path`.
Arrays parse_npz(std::string_view bytes, const std::string& path);

}  // namespace tapestry::lm
