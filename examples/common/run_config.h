#pragma once
// config.json of a run: named values in sections, which are checked on every read as the command
// line checks its options. A program lists its settings in one function that calls
// f(section, key, value, check or names) for each; a ConfigWriter and a ConfigReader are such f.

#include <fmt/format.h>
#include <tapestry/examples/common/checks.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/tensor/error.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tapestry::app {

/// What the values of an enumeration are called in files and on the command line.
template <class Enum>
using EnumNames = std::vector<std::pair<std::string, Enum>>;

/// Empty for a value without a name.
template <class Enum>
std::string name_of(const EnumNames<Enum>& names, Enum value) {
  for (const auto& [name, named] : names)
    if (named == value) return name;
  return "";
}

class ConfigWriter {
 public:
  template <class T>
  void operator()(const char* section, const char* key, const T& value, const Check& = {}) {
    json_[section][key] = value;
  }
  template <class Enum>
  void operator()(const char* section, const char* key, Enum value, const EnumNames<Enum>& names) {
    json_[section][key] = name_of(names, value);
  }
  std::string text() const { return json_.dump(2) + "\n"; }

 private:
  Json json_;
};

class ConfigReader {
 public:
  /// Throws FormatError "FILE: ..." for text that is not JSON.
  ConfigReader(std::string_view text, std::string file);

  bool has(const char* section, const char* key) const { return find(section, key) != nullptr; }

  /// Throw FormatError "FILE: SECTION.KEY: ..." for a value that is missing, of another type, or
  /// none that the check or the names accept.
  template <class T>
  void operator()(const char* section, const char* key, T& value, const Check& check = {}) const {
    read(section, key, value);
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      if (!check.problem) return;
      const std::string problem = check.problem(fmt::format("{}", value));
      if (!problem.empty()) refuse(section, key, problem);
    }
  }
  template <class Enum>
  void operator()(const char* section, const char* key, Enum& value,
                  const EnumNames<Enum>& names) const {
    std::string word;
    read(section, key, word);
    std::vector<std::string> known;
    for (const auto& [name, named] : names) {
      if (name == word) {
        value = named;
        return;
      }
      known.push_back(name);
    }
    refuse(section, key, one_of(known).problem(word));
  }

 private:
  const Json* find(const char* section, const char* key) const;
  [[noreturn]] void refuse(const char* section, const char* key, std::string_view problem) const;

  template <class T>
  void read(const char* section, const char* key, T& value) const {
    const Json* found = find(section, key);
    if (!found) refuse(section, key, "is missing");
    try {
      found->get_to(value);
    } catch (const JsonError& error) {
      refuse(section, key, error.what());
    }
  }

  Json json_;
  std::string file_;
};

}  // namespace tapestry::app
