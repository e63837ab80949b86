#include <fmt/format.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/model/npz.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/tensor/error.h>
#include <zip.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

namespace tapestry::lm {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};

/// The text of a .npy file, version 1.0 (numpy.lib.format).
std::string npy(const Tensor& tensor) {
  std::string shape;
  for (int i = 0; i < tensor.rank(); ++i) shape += fmt::format("{},", tensor.shape()[i]);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   tensor.dtype() == f32 ? "<f4" : "<f8", shape);
  constexpr size_t kPreamble = 10, kAlign = 64;
  header.resize((kPreamble + header.size() + kAlign) / kAlign * kAlign - kPreamble, ' ');
  header.back() = '\n';
  std::string out(kMagic);
  for (const size_t byte : {size_t{1}, size_t{0}, header.size() & 0xFF, header.size() >> 8})
    out += static_cast<char>(byte);
  out += header;
  const auto append = [&]<class T>(T) {
    const std::vector<T> elements = tensor.to_vector<T>();
    out.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
  };
  dispatch_any(tensor.dtype(), append);
  return out;
}

/// What follows `key` in the header of a .npy file, which is a Python dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(key);
  require<FormatError>(at != std::string_view::npos, "its header has no ", key);
  std::string_view rest = header.substr(at + key.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(": "), rest.size()));
  return rest;
}

std::vector<int64_t> shape_of(std::string_view text) {
  require<FormatError>(text.starts_with('('), "its header has no shape");
  text.remove_prefix(1);
  std::vector<int64_t> sizes;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,L"), text.size()));
    if (text.starts_with(')')) return sizes;
    int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    require<FormatError>(error == std::errc{} && size >= 0 && sizes.size() < 4,
                         "its shape is malformed or has more than 4 sizes");
    sizes.push_back(size);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
}

/// The product of `sizes` times `width`, which must be the number of bytes.
void check_size(const std::vector<int64_t>& sizes, size_t width, size_t bytes) {
  size_t wanted = width;
  for (const int64_t size : sizes)
    if (__builtin_mul_overflow(wanted, static_cast<size_t>(size), &wanted)) wanted = SIZE_MAX;
  require<FormatError>(wanted == bytes, "it has ", bytes, " bytes of elements, its shape says ",
                       wanted);
}

Tensor parse_npy(std::string_view file) {
  require<FormatError>(file.starts_with(kMagic) && file.size() >= 12, "it is no .npy file");
  const auto byte = [&](size_t i) { return size_t{static_cast<unsigned char>(file[i])}; };
  const bool first_version = byte(6) == 1;
  const size_t start = first_version ? 10 : 12;
  size_t length = byte(8) | byte(9) << 8;
  if (!first_version) length |= byte(10) << 16 | byte(11) << 24;
  require<FormatError>(length <= file.size() - start, "its header is cut off");
  const std::string_view header = file.substr(start, length),
                         elements = file.substr(start + length);

  const std::string_view type = value_of(header, "'descr'").substr(0, 5);
  require<FormatError>(type == "'<f4'" || type == "'<f8'", "its elements are ", type,
                       ", expected '<f4' or '<f8' (float32, float64)");
  std::vector<int64_t> sizes = shape_of(value_of(header, "'shape'"));
  check_size(sizes, type == "'<f4'" ? 4 : 8, elements.size());
  const bool columns_first = value_of(header, "'fortran_order'").starts_with("True");
  require<FormatError>(!columns_first || sizes.size() <= 2, "it is in Fortran order");
  if (columns_first) std::reverse(sizes.begin(), sizes.end());
  Tensor out = Tensor::zeros(Shape(std::span<const int64_t>(sizes)), type == "'<f4'" ? f32 : f64);
  const auto copy = [&]<class T>(T) {
    if (!elements.empty()) std::memcpy(out.write<T>().data(), elements.data(), elements.size());
  };
  dispatch_any(out.dtype(), copy);
  return columns_first && sizes.size() == 2 ? out.transpose().to_contiguous() : out;
}

std::string entry(zip_t* archive, zip_uint64_t index, size_t limit) {
  zip_stat_t stat;
  require<FormatError>(
      zip_stat_index(archive, index, 0, &stat) == 0 && (stat.valid & ZIP_STAT_SIZE),
      "no size is known");
  // Elements are not compressible by much: a small file that claims to hold a large one is a trap.
  require<FormatError>(stat.size / 1100 <= limit, "a size of ", stat.size, " is not believable");
  const std::unique_ptr<zip_file_t, ZipClose> file(zip_fopen_index(archive, index, 0));
  require<FormatError>(file != nullptr, zip_strerror(archive));
  std::string out(stat.size, '\0');
  const zip_int64_t got = zip_fread(file.get(), out.data(), stat.size);
  require<FormatError>(got == static_cast<zip_int64_t>(stat.size), "it is cut off or damaged");
  char more;  // the check sum is compared when the end is met
  require<FormatError>(zip_fread(file.get(), &more, 1) == 0, "it is damaged");
  return out;
}

}  // namespace

void write_npz(const std::string& path, const Arrays& arrays) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (!buffer) throw std::bad_alloc();
  const std::unique_ptr<zip_source_t, ZipClose> keep(buffer);
  zip_source_keep(buffer);  // zip_close() frees one
  zip_t* const archive = zip_open_from_source(buffer, ZIP_TRUNCATE, &error);
  require<Error>(archive != nullptr, path, ": ", zip_error_strerror(&error));
  std::unique_ptr<zip_t, ZipClose> discard(archive);
  std::vector<std::string> files;
  files.reserve(arrays.size());  // the sources refer to them
  for (const auto& [name, tensor] : arrays) {
    const std::string& file = files.emplace_back(npy(tensor));
    zip_source_t* const source = zip_source_buffer(archive, file.data(), file.size(), 0);
    const zip_int64_t index =
        zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) zip_source_free(source);
    require<Error>(index >= 0, path, ": ", zip_strerror(archive));
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
    constexpr time_t kFirst = 315619200;  // 1980-01-02: equal arrays give equal bytes
    zip_file_set_mtime(archive, static_cast<zip_uint64_t>(index), kFirst, 0);
  }
  require<Error>(zip_close(archive) == 0, path, ": ", zip_strerror(archive));
  (void)discard.release();

  zip_stat_t stat;
  require<Error>(zip_source_open(buffer) == 0 && zip_source_stat(buffer, &stat) == 0, path);
  std::string bytes(stat.size, '\0');
  require<Error>(
      zip_source_read(buffer, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size()),
      path);
  zip_source_close(buffer);
  app::write_atomically(path, bytes);
}

Arrays parse_npz(std::string_view bytes, const std::string& path) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (!source) throw std::bad_alloc();
  const std::unique_ptr<zip_t, ZipClose> archive(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (!archive) zip_source_free(source);
  require<FormatError>(archive != nullptr, path, ": not an npz file (", zip_error_strerror(&error),
                       ")");
  Arrays out;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  require<FormatError>(count > 0, path, ": not an npz file (it holds no array)");
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    const char* const found = zip_get_name(archive.get(), i, 0);
    std::string name = found ? found : "";
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    try {
      out[name] = parse_npy(entry(archive.get(), i, bytes.size()));
    } catch (const FormatError& e) {
      fail<FormatError>(path, ": array ", name, ": ", e.what());
    }
  }
  return out;
}

Arrays read_npz(const std::string& path) { return parse_npz(read_bytes(path), path); }

}  // namespace tapestry::lm
