#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include <tapestry/tensor/safetensors.h>

using namespace tapestry;
namespace fs = std::filesystem;

namespace {

/// An empty directory that goes away with its scope.
struct Directory {
  fs::path path;
  Directory() {
    std::string name = (fs::temp_directory_path() / "tapestry-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path = name;
  }
  ~Directory() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path), {}));
  }
};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A file with this header and `data` bytes of zeros behind it.
std::string file_of(const std::string& header, size_t data) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(header.size() >> (8 * i));
  return out + header + std::string(data, '\0');
}

/// What read_safetensors says about a file of these bytes; empty when it accepts them.
std::string complaint(const Directory& directory, const std::string& bytes) {
  const std::string path = directory.file("hostile.safetensors");
  write_bytes(path, bytes);
  try {
    read_safetensors(path);
  } catch (const FormatError& error) {
    CHECK(std::string(error.what()).starts_with("read: " + path + ": "));
    return error.what();
  }
  return "";
}

NamedTensors sample() {
  NamedTensors out;
  out.tensors["scalar"] = Tensor::scalar(-0.0, f64);
  out.tensors["ids"] = Tensor::indices({1, -2, std::numeric_limits<int32_t>::max()});
  out.tensors["matrix"] = Tensor::from({2, 3}, {1, 2, 3, 4, 5, 1.0 / 3}, f32);
  out.tensors["transposed"] = Tensor::from({2, 3}, {1, 2, 3, 4, 5, 6}, f64).transpose();
  out.tensors["empty"] = Tensor::zeros({3, 0, 2}, f32);
  out.tensors["four \"dims\"\n"] = Tensor::full({1, 2, 1, 3}, 7, f64);
  out.metadata["note"] = "a \"note\"\n\xC3\xA9";
  return out;
}

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, whatever its type, shape and layout") {
  const Directory directory;
  const std::string path = directory.file("a.safetensors");
  const NamedTensors written = sample();
  write_safetensors(path, written);
  const NamedTensors read = read_safetensors(path);
  CHECK(read.metadata == written.metadata);
  REQUIRE(read.tensors.size() == written.tensors.size());
  for (const auto& item : written.tensors) {
    CAPTURE(item.first);
    const Tensor &expected = item.second, &got = read.tensors.at(item.first);
    REQUIRE(got.shape() == expected.shape());
    REQUIRE(got.dtype() == expected.dtype());
    dispatch_any(got.dtype(), [&](auto zero) {
      using T = decltype(zero);
      CHECK(got.to_vector<T>() == expected.to_vector<T>());
    });
  }
  CHECK(std::signbit(read.tensors.at("scalar").item()));
  CHECK(directory.entries() == 1);  // no temporary file stays
  CHECK((fs::status(path).permissions() & fs::perms::owner_all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("safetensors: equal contents give equal bytes, in the order of the names") {
  const Directory directory;
  write_safetensors(directory.file("a"), sample());
  write_safetensors(directory.file("b"), sample());
  const std::string bytes = bytes_of(directory.file("a"));
  CHECK(bytes == bytes_of(directory.file("b")));
  CHECK(bytes.find("\"empty\"") < bytes.find("\"ids\""));
  CHECK(bytes.find("\"ids\"") < bytes.find("\"matrix\""));
  CHECK(bytes.find("\"shape\":[3,2]") < bytes.size());  // the view, as it looks
  CHECK((static_cast<unsigned char>(bytes[0]) + 256u * static_cast<unsigned char>(bytes[1])) % 8 ==
        0);
}

TEST_CASE("safetensors: an empty collection is a file") {
  const Directory directory;
  write_safetensors(directory.file("a"), {});
  const NamedTensors read = read_safetensors(directory.file("a"));
  CHECK(read.tensors.empty());
  CHECK(read.metadata.empty());
}

TEST_CASE("safetensors: numbers and generators in the metadata are exact") {
  const Directory directory;
  NamedTensors out;
  Rng rng(std::numeric_limits<uint64_t>::max(), 7);
  for (int i = 0; i < 5; ++i) rng.next_u32();
  out.put("third", 1.0 / 3);
  out.put("infinite", -std::numeric_limits<double>::infinity());
  out.put("large", std::numeric_limits<int64_t>::min());
  out.put("shuffle", rng);
  out.metadata["word"] = "12 monkeys";
  write_safetensors(directory.file("a"), out);
  const NamedTensors in = read_safetensors(directory.file("a"));
  CHECK(in.number<double>("third") == 1.0 / 3);
  CHECK(in.number<double>("infinite") == -std::numeric_limits<double>::infinity());
  CHECK(in.number<int64_t>("large") == std::numeric_limits<int64_t>::min());
  Rng resumed = in.rng("shuffle");
  CHECK(resumed.state() == rng.state());
  for (int i = 0; i < 9; ++i) CHECK(resumed.next_u32() == rng.next_u32());
  CHECK(message_of<FormatError>([&] { in.number<int64_t>("word"); }) ==
        "load: word is \"12 monkeys\" in the file, expected a number");
  CHECK(message_of<FormatError>([&] { in.number<int64_t>("third"); }) != "");
  CHECK(message_of<FormatError>([&] { in.number<uint64_t>("large"); }) != "");
  CHECK(message_of<FormatError>([&] { in.text("none"); }) == "load: none is missing from the file");
}

TEST_CASE("safetensors: 64-bit integers are read into i32 when they fit") {
  const Directory directory;
  const std::string path = directory.file("a");
  const auto file = [](int64_t last) {
    const int64_t values[] = {-5, std::numeric_limits<int32_t>::min(), last};
    return file_of(R"({"n":{"dtype":"I64","shape":[3],"data_offsets":[0,24]}})", 0) +
           std::string(reinterpret_cast<const char*>(values), sizeof values);
  };
  write_bytes(path, file(std::numeric_limits<int32_t>::max()));
  CHECK(read_safetensors(path).tensors.at("n").to_vector<int32_t>() ==
        std::vector<int32_t>{-5, std::numeric_limits<int32_t>::min(),
                             std::numeric_limits<int32_t>::max()});
  CHECK(complaint(directory, file(int64_t{1} << 31))
            .ends_with(
                "tensor \"n\": 2147483648 does not fit 32 bits (there are no 64-bit indices)"));
}

TEST_CASE("safetensors: a malformed file is an error that names the file and the tensor") {
  const Directory directory;
  const auto tensor = [](const std::string& fields) { return R"({"w":{)" + fields + "}}"; };
  const auto shape = [&](const std::string& sizes, const std::string& offsets) {
    return tensor(R"("dtype":"F32","shape":[)" + sizes + R"(],"data_offsets":[)" + offsets + "]");
  };
  const struct {
    std::string header;
    size_t data;
    const char* says;
  } cases[] = {
      {"", 0, "not a JSON object"},
      {"   ", 0, "not a JSON object"},
      {"[]", 0, "not a JSON object"},
      {"{", 0, "not valid JSON"},
      {"{}{}", 0, "not valid JSON"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},}", 4, "not valid JSON"},
      {"{\"\xFF\":1}", 0, "not valid JSON"},
      {std::string("{}\0x", 4), 0, "not a JSON object"},
      {"{\"w\":1}", 0, "tensor \"w\": expected an object with dtype, shape and data_offsets"},
      {"{\"w\":[1]}", 0, "expected an object with dtype"},
      {tensor(R"("dtype":"F32","shape":[1])"), 4, "expected an object with dtype"},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1)"), 4,
       "expected an object with dtype"},
      {tensor(R"("dtype":1,"shape":[1],"data_offsets":[0,4])"), 4, "the dtype is not a string"},
      {tensor(R"("dtype":"BF16","shape":[2],"data_offsets":[0,4])"), 4,
       "tensor \"w\": the dtype is \"BF16\", expected F32, F64, I32 or I64"},
      {tensor(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), 4, "not a list of sizes"},
      {tensor(R"("dtype":"F32","shape":{"0":1},"data_offsets":[0,4])"), 4, "nests too deeply"},
      {shape("-1", "0,4"), 4, "not a list of sizes"},
      {shape("1.0", "0,4"), 4, "not a list of sizes"},
      {shape("\"1\"", "0,4"), 4, "not a list of sizes"},
      {shape("null", "0,4"), 4, "not a list of sizes"},
      {shape("18446744073709551615", "0,4"), 4, "not a list of sizes"},
      {shape("9223372036854775807", "0,4"), 4, "overflows"},
      {shape("4294967296,4294967296", "0,0"), 0, "overflows"},
      {shape("0,4294967296,4294967296", "0,0"), 0, "overflows"},
      {shape("4294967297,4294967295,4294967297", "0,4"), 4, "overflows"},
      {shape("0,1152921504606846976", "0,0"), 0, "tensor \"w\": the shape has too many elements"},
      {shape("1,1,1,1,1,1,1", "0,4"), 4, "has 7 sizes, at most 6"},
      {shape("1", "0"), 4, "not a pair of positions"},
      {shape("1", "0,4,8"), 4, "not a pair of positions"},
      {shape("1", "-4,0"), 4, "not a pair of positions"},
      {shape("1", "4,0"), 4, "are outside the 4 bytes of data"},
      {shape("2", "0,8"), 4, "data_offsets [0, 8] are outside the 4 bytes of data (is the file"},
      {shape("1", "9223372036854775803,9223372036854775807"), 4, "are outside"},
      {shape("2", "0,4"), 4, "hold 4 bytes, shape (2) of F32 needs 8"},
      {shape("1", "0,4"), 5, "1 bytes follow the last tensor"},
      {shape("1", "4,8"), 8, "begin at byte 4, expected 0 (a gap)"},
      {"{}", 1, "1 bytes follow the last tensor"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
       12, "tensor \"b\": its data begin at byte 4, expected 8 (they overlap another tensor)"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "the name \"a\" occurs twice"},
      {tensor(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])"), 4,
       "the name \"shape\" occurs twice"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "the name \"a\" occurs twice"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__: \"a\" is not a string"},
      {R"({"__metadata__":"a"})", 0, "__metadata__ is not an object"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", 0, "nests too deeply"},
      {"{\"a\":" + std::string(200000, '['), 0, "nests too deeply"},
      {R"({"\u001b[31m":1})", 0, "tensor \"\\u001b[31m\""},
  };
  for (const auto& hostile : cases) {
    CAPTURE(hostile.header.substr(0, 200));
    const std::string said = complaint(directory, file_of(hostile.header, hostile.data));
    CAPTURE(said);
    CHECK(said.find(hostile.says) != std::string::npos);
  }
  CHECK(complaint(directory, file_of(shape("1", "0,4") + "   ", 4)) == "");  // padding is allowed
}

TEST_CASE("safetensors: a length that the file does not have is refused before it is used") {
  const Directory directory;
  for (const uint64_t length : {uint64_t{100'000'001}, ~uint64_t{0}, uint64_t{1} << 63}) {
    std::string bytes = file_of("{}", 20);
    for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
    CHECK(complaint(directory, bytes).find("the header is said to have") != std::string::npos);
  }
  // The cap holds even when the file is large enough (a hole: it takes no space).
  const std::string path = directory.file("hole");
  write_bytes(path, file_of(std::string(100'000'001, ' '), 0).substr(0, 8));
  fs::resize_file(path, 8 + 100'000'001);
  CHECK(message_of<FormatError>([&] { read_safetensors(path); }).find("100000000 are allowed") !=
        std::string::npos);
}

TEST_CASE("safetensors: a file cut anywhere is an error") {
  const Directory directory;
  write_safetensors(directory.file("a"), sample());
  const std::string bytes = bytes_of(directory.file("a"));
  for (size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    CHECK(complaint(directory, bytes.substr(0, length)) != "");
  }
  CHECK(complaint(directory, bytes + '\0') != "");
  CHECK(complaint(directory, bytes) == "");
}

TEST_CASE("safetensors: flipped bits give an error or another file, never a crash") {
  const uint64_t seed = 20240917;
  CAPTURE(seed);
  const Directory directory;
  write_safetensors(directory.file("a"), sample());
  const std::string bytes = bytes_of(directory.file("a"));
  const size_t header = bytes.rfind('}') + 1;
  Rng rng(seed);
  size_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string flipped = bytes;
    for (uint64_t k = 0, n = 1 + rng.below(3); k < n; ++k)
      flipped[rng.below(header)] ^= static_cast<char>(1 << rng.below(8));
    refused += complaint(directory, flipped) != "";  // any other exception fails the test
  }
  CHECK(refused > 2000);
}

TEST_CASE("safetensors: a write that fails leaves the old file and nothing else") {
  const Directory directory;
  const std::string path = directory.file("a.safetensors");
  write_safetensors(path, sample());
  const std::string before = bytes_of(path);

  SUBCASE("a name that is not UTF-8") {
    NamedTensors bad = sample();
    bad.tensors["\xFF"] = Tensor::scalar(1);
    CHECK_THROWS_AS(write_safetensors(path, bad), ValueError);
  }
  SUBCASE("a reserved name") {
    NamedTensors bad;
    bad.tensors["__metadata__"] = Tensor::scalar(1);
    CHECK_THROWS_AS(write_safetensors(path, bad), ValueError);
  }
  SUBCASE("an undefined tensor") {
    NamedTensors bad;
    bad.tensors["w"] = Tensor();
    CHECK_THROWS_AS(write_safetensors(path, bad), Error);
  }
  SUBCASE("no room: the limit on the size of files stands in for a full disk") {
    NamedTensors large;
    large.tensors["w"] = Tensor::zeros({1 << 18});
    rlimit limit;
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlimit small{1 << 16, limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const std::string said = message_of<FileError>([&] { write_safetensors(path, large); });
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, handler);
    CHECK(said == "write: " + path + ": File too large");
  }
  CHECK(bytes_of(path) == before);
  CHECK(directory.entries() == 1);
}

TEST_CASE("safetensors: paths that cannot be written or read say why") {
  const Directory directory;
  const std::string missing = directory.file("none/a"), folder = directory.path.string();
  CHECK(message_of<FileError>([&] { write_safetensors(missing, sample()); }) ==
        "write: " + missing + ": No such file or directory");
  CHECK(message_of<FileError>([&] { write_safetensors(folder, sample()); }) ==
        "write: " + folder + ": exists and is not a regular file");
  CHECK(message_of<FileError>([&] { read_safetensors(missing); }) ==
        "read: " + missing + ": No such file or directory");
  CHECK(message_of<FileError>([&] { read_safetensors(folder); }) ==
        "read: " + folder + ": is not a regular file");
  const std::string pipe = directory.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(message_of<FileError>([&] { read_safetensors(pipe); }) ==
        "read: " + pipe + ": is not a regular file");
  // Pipes and devices are never replaced by a file.
  CHECK(message_of<FileError>([&] { write_safetensors(pipe, sample()); }) ==
        "write: " + pipe + ": exists and is not a regular file");
  CHECK(message_of<FileError>([&] { write_safetensors("/proc/a.safetensors", sample()); }) != "");
}
