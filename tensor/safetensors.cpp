#include <tapestry/tensor/safetensors.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace tapestry {
namespace {

using Json = nlohmann::json;
static_assert(std::endian::native == std::endian::little, "elements are copied as they lie");

constexpr uint64_t kMaxHeader = 100'000'000;  // bytes; the limit of the format
constexpr const char* kMetadata = "__metadata__";

using While = FileError::While;

[[noreturn]] void fail_system(While doing, const std::string& path) {
  const int reason = errno;
  const char* verb = doing == While::writing ? "write: " : "read: ";
  throw FileError(verb + path + ": " + std::generic_category().message(reason), doing, reason);
}

/// A file descriptor that is closed at the end of its scope.
struct Descriptor {
  int fd;
  explicit Descriptor(int value) : fd(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// ---- writing

void write_all(int fd, const void* data, size_t size, const std::string& path) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(While::writing, path);
    at += n;
    size -= static_cast<size_t>(n);
  }
}

const char* format_name(DType dtype) { return dtype == f32 ? "F32" : dtype == f64 ? "F64" : "I32"; }

size_t bytes_of(const Tensor& t) { return static_cast<size_t>(t.numel()) * size_of(t.dtype()); }

std::string header_of(const NamedTensors& contents) {
  Json header = Json::object();
  if (!contents.metadata.empty()) header[kMetadata] = contents.metadata;
  size_t at = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    require_defined("write", tensor);
    require<ValueError>(name != kMetadata, "write: a tensor cannot be named ", kMetadata);
    Json shape = Json::array();
    for (int i = 0; i < tensor.rank(); ++i) shape.push_back(tensor.shape()[i]);
    const size_t end = at + bytes_of(tensor);
    header[name] = {{"dtype", format_name(tensor.dtype())},
                    {"shape", std::move(shape)},
                    {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    fail<ValueError>("write: a name or a metadata value is not UTF-8 (", error.what(), ")");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the elements begin at a multiple of 8 bytes
  require<ValueError>(text.size() <= kMaxHeader, "write: the header has ", text.size(),
                      " bytes, the format allows ", kMaxHeader);
  return text;
}

void write_contents(int fd, const NamedTensors& contents, const std::string& path) {
  const std::string header = header_of(contents);
  const uint64_t size = header.size();
  write_all(fd, &size, sizeof size, path);
  write_all(fd, header.data(), header.size(), path);
  for (const auto& [name, tensor] : contents.tensors) {
    const Tensor rows = tensor.to_contiguous();
    dispatch_any(rows.dtype(), [&](auto zero) {
      write_all(fd, rows.data<decltype(zero)>(), bytes_of(rows), path);
    });
  }
}

// ---- reading

/// What the header says about one tensor, checked.
struct Entry {
  std::string name;
  DType dtype;
  bool wide;  // I64 in the file
  Shape shape;
  uint64_t begin, end;  // bytes, from the end of the header
};

/// The name in quotes, control characters escaped, for messages.
std::string quoted(const std::string& name) {
  const bool cut = name.size() > 100;
  return Json(name.substr(0, 100)).dump(-1, ' ', true, Json::error_handler_t::replace) +
         (cut ? "..." : "");
}

void read_all(int fd, void* data, size_t size, uint64_t offset, const std::string& path) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(While::reading, path);
    require<FormatError>(n > 0, "read: ", path, ": the file ended while it was read");
    to += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
}

/// Parses the header; duplicate names and nesting that the format does not have throw at once.
Json parse_header(const std::string& text, const std::string& path) {
  require<FormatError>(text.starts_with('{') && text.find('\0') == std::string::npos,
                       "read: ", path, ": the header is not a JSON object");
  std::set<std::string> names[2];
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      require<FormatError>(depth <= (event == Event::array_start ? 2 : 1), "read: ", path,
                           ": the header nests too deeply");
      if (depth == 1) names[1].clear();
    }
    if (event == Event::key)
      require<FormatError>(names[depth - 1].insert(value.get<std::string>()).second, "read: ", path,
                           ": the name ", quoted(value.get<std::string>()), " occurs twice");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception& error) {
    fail<FormatError>("read: ", path, ": the header is not valid JSON (", error.what(), ")");
  }
}

Entry parse_entry(const std::string& name, const Json& json, uint64_t data_size,
                  const std::string& path) {
  const auto check = [&](bool good, const auto&... what) {
    require<FormatError>(good, "read: ", path, ": tensor ", quoted(name), ": ", what...);
  };
  const auto list_of_sizes = [](const Json& list) {
    return list.is_array() && std::ranges::all_of(list, [](const Json& x) {
             return x.is_number_unsigned() &&
                    x.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
           });
  };
  check(json.is_object() && json.size() == 3 && json.contains("dtype") && json.contains("shape") &&
            json.contains("data_offsets"),
        "expected an object with dtype, shape and data_offsets");
  const Json &type = json["dtype"], &sizes = json["shape"], &offsets = json["data_offsets"];

  Entry entry{name, f32, false, {}, 0, 0};
  check(type.is_string(), "the dtype is not a string");
  const auto& kind = type.get_ref<const std::string&>();
  if (kind == "F64")
    entry.dtype = f64;
  else if (kind == "I32" || kind == "I64")
    entry.dtype = i32, entry.wide = kind == "I64";
  else
    check(kind == "F32", "the dtype is ", quoted(kind), ", expected F32, F64, I32 or I64");

  check(list_of_sizes(sizes), "the shape is not a list of sizes");
  check(sizes.size() <= kMaxRank, "the shape has ", sizes.size(), " sizes, at most ", kMaxRank,
        " are supported");
  // An empty tensor's other sizes still make strides, so they are bounded too.
  int64_t bytes = entry.wide ? 8 : static_cast<int64_t>(size_of(entry.dtype)), strides = bytes;
  std::array<int64_t, kMaxRank> dims{};
  for (size_t i = 0; i < sizes.size(); ++i) {
    dims[i] = sizes[i].get<int64_t>();
    check(!__builtin_mul_overflow(strides, std::max<int64_t>(dims[i], 1), &strides),
          "the product of the sizes overflows");
    bytes *= dims[i];
  }
  check(strides / (entry.wide ? 8 : static_cast<int64_t>(size_of(entry.dtype))) < int64_t{1} << 60,
        "the shape has too many elements");
  entry.shape = Shape(std::span<const int64_t>(dims.data(), sizes.size()));

  check(list_of_sizes(offsets) && offsets.size() == 2, "data_offsets is not a pair of positions");
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  check(entry.begin <= entry.end && entry.end <= data_size, "data_offsets [", entry.begin, ", ",
        entry.end, "] are outside the ", data_size, " bytes of data (is the file truncated?)");
  check(entry.end - entry.begin == static_cast<uint64_t>(bytes), "data_offsets hold ",
        entry.end - entry.begin, " bytes, shape ", entry.shape, " of ", kind, " needs ", bytes);
  return entry;
}

Tensor read_tensor(int fd, const Entry& entry, uint64_t offset, const std::string& path) {
  Tensor out = Tensor::empty(entry.shape, entry.dtype);
  if (!entry.wide) {
    dispatch_any(entry.dtype, [&](auto zero) {
      read_all(fd, out.data<decltype(zero)>(), bytes_of(out), offset, path);
    });
    return out;
  }
  std::vector<int64_t> wide(static_cast<size_t>(out.numel()));
  read_all(fd, wide.data(), wide.size() * sizeof(int64_t), offset, path);
  const std::span<int32_t> to = out.write<int32_t>();
  for (size_t i = 0; i < wide.size(); ++i) {
    require<FormatError>(std::in_range<int32_t>(wide[i]), "read: ", path, ": tensor ",
                         quoted(entry.name), ": ", wide[i],
                         " does not fit 32 bits (there are no 64-bit indices)");
    to[i] = static_cast<int32_t>(wide[i]);
  }
  return out;
}

}  // namespace

void write_safetensors(const std::string& path, const NamedTensors& contents) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw FileError("write: " + path + ": exists and is not a regular file", While::writing);
  static std::atomic<uint32_t> serial{0};
  const std::string temporary =
      path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(serial++);
  {
    const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.fd < 0) fail_system(While::writing, path);
    try {
      write_contents(file.fd, contents, path);
      if (::fsync(file.fd) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)
        fail_system(While::writing, path);
    } catch (...) {
      ::unlink(temporary.c_str());
      throw;
    }
  }
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // EINVAL: a file system that has nothing to sync for a directory.
  if (directory.fd < 0 || (::fsync(directory.fd) != 0 && errno != EINVAL))
    fail_system(While::writing, parent);
}

NamedTensors read_safetensors(const std::string& path) {
  NamedTensors out;
  out.metadata = read_safetensors(
      path, [&](const std::string& name, Tensor tensor) { out.tensors[name] = std::move(tensor); });
  return out;
}

std::map<std::string, std::string> read_safetensors(
    const std::string& path, const std::function<void(const std::string& name, Tensor)>& take) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0) fail_system(While::reading, path);
  require<FileError>(S_ISREG(status.st_mode), "read: ", path, ": is not a regular file");

  const auto size = static_cast<uint64_t>(status.st_size);
  uint64_t header_size = 0;
  require<FormatError>(size >= sizeof header_size, "read: ", path, ": the file has only ", size,
                       " bytes");
  read_all(file.fd, &header_size, sizeof header_size, 0, path);
  const uint64_t rest = size - sizeof header_size;
  require<FormatError>(header_size <= rest && header_size <= kMaxHeader, "read: ", path,
                       ": the header is said to have ", header_size, " bytes, the file has ", size,
                       " (at most ", kMaxHeader, " are allowed; is this a safetensors file?)");
  std::string text(header_size, '\0');
  read_all(file.fd, text.data(), text.size(), sizeof header_size, path);
  const Json header = parse_header(text, path);

  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != kMetadata) {
      entries.push_back(parse_entry(name, value, rest - header_size, path));
      continue;
    }
    require<FormatError>(value.is_object(), "read: ", path, ": ", kMetadata, " is not an object");
    for (const auto& [key, item] : value.items()) {
      require<FormatError>(item.is_string(), "read: ", path, ": ", kMetadata, ": ", quoted(key),
                           " is not a string");
      metadata[key] = item.get<std::string>();
    }
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    require<FormatError>(entry.begin == at, "read: ", path, ": tensor ", quoted(entry.name),
                         ": its data begin at byte ", entry.begin, ", expected ", at,
                         entry.begin < at ? " (they overlap another tensor)" : " (a gap)");
    at = entry.end;
  }
  require<FormatError>(at == rest - header_size, "read: ", path, ": ", rest - header_size - at,
                       " bytes follow the last tensor");
  std::ranges::sort(entries, {}, &Entry::name);
  for (const Entry& entry : entries)
    take(entry.name,
         read_tensor(file.fd, entry, sizeof header_size + header_size + entry.begin, path));
  return metadata;
}

}  // namespace tapestry
