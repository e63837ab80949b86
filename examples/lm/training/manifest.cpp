#include <tapestry/examples/lm/training/manifest.h>

#include <sys/utsname.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/version.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/training/fingerprint.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>

namespace tapestry::lm {
namespace {

using app::Json;

/// What /proc/cpuinfo calls the processor.
std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown";
}

std::string now() {
  const std::time_t t = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&t, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

Json describe(const EncodedCorpus& corpus) {
  return {{"sentences", corpus.sentences()},
          {"tokens", corpus.tokens()},
          {"unknown", corpus.oov},
          {"hash", hex(hash_bytes(corpus.ids.data(), corpus.ids.size() * sizeof(int32_t)))}};
}

}  // namespace

std::string manifest(const TrainSettings& s, const Data& data) {
  uint64_t vocabulary = 0;
  for (int32_t id = 0; id < data.vocabulary.size(); ++id) {
    const std::string& token = data.vocabulary.token(id);
    vocabulary = hash_bytes(token.data(), token.size(), vocabulary);
  }
  std::istringstream version(app::version("lm"));
  Json program = Json::array();
  for (std::string line; std::getline(version, line);) program.push_back(line);
  utsname system{};
  uname(&system);
  std::error_code ignored;
  const Json out = {
      {"started", now()},
      {"command", s.command},
      {"directory", std::filesystem::current_path(ignored).string()},
      {"program", program},
      {"machine",
       {{"processor", processor()},
        {"processors", sysconf(_SC_NPROCESSORS_ONLN)},
        {"system", std::string(system.sysname) + " " + system.release + " " + system.machine}}},
      {"data",
       {{"train", describe(data.train)},
        {"valid", describe(data.valid)},
        {"vocabulary", {{"tokens", data.vocabulary.size()}, {"hash", hex(vocabulary)}}},
        {"fingerprint", hex(data.fingerprint())}}},
      {"settings", Json::parse(config_text(s))}};
  return out.dump(2) + "\n";
}

}  // namespace tapestry::lm
