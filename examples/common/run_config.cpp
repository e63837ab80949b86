#include <tapestry/examples/common/run_config.h>

namespace tapestry::app {

ConfigReader::ConfigReader(std::string_view text, std::string file) : file_(std::move(file)) {
  try {
    json_ = Json::parse(text);
  } catch (const JsonError& error) {
    fail<FormatError>(file_, ": not the settings of a run: ", error.what());
  }
}

const Json* ConfigReader::find(const char* section, const char* key) const {
  const Json* values = json_.find(section);
  return values && values->is_object() ? values->find(key) : nullptr;
}

void ConfigReader::refuse(const char* section, const char* key, std::string_view problem) const {
  fail<FormatError>(file_, ": ", section, ".", key, ": ", problem);
}

}  // namespace tapestry::app
