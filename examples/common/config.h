#pragma once
// The settings that a run keeps in config.json, written and read by one list of fields: sections of
// keys, each with the range that its value must lie in. A file with a key too many, one too few, a
// value of another type or out of range is refused with file and key.
//
//   void fields(app::Fields& f, Settings& s) {
//     f.section("model");
//     f.field("hidden", s.hidden, {1, 65536});
//     f.field("cell", s.cell, {"rnn", "lstm", "gru"});
//     f.choice("dtype", s.dtype, {{"float", f32}, {"double", f64}});
//   }
//   write_config(path, [&](Fields& f) { fields(f, s); });
//   read_config(path, [&](Fields& f) { fields(f, s); });

#include <tapestry/examples/common/json.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tapestry::app {

/// The numbers from `low` to `high`; the ends belong to it.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// Goes through the fields of a config in order: reading sets them, writing collects them.
class Fields {
 public:
  /// Collects the fields for writing.
  Fields() = default;
  /// Sets the fields from the JSON of `file`.
  Fields(Json config, std::string file)
      : config_(std::move(config)), file_(std::move(file)), reading_(true) {}

  void section(const std::string& name);
  void field(const std::string& key, bool& value);
  void field(const std::string& key, std::int64_t& value, Range range = {});
  void field(const std::string& key, std::uint64_t& value, Range range = {});
  void field(const std::string& key, double& value, Range range = {});
  void field(const std::string& key, std::string& value, std::vector<std::string> allowed = {});
  void field(const std::string& key, std::vector<std::string>& values);
  /// An enum by the names of its values.
  template <class Enum>
  void choice(const std::string& key, Enum& value,
              const std::vector<std::pair<std::string, Enum>>& choices) {
    std::string name;
    std::vector<std::string> names;
    for (const auto& [each, named] : choices) {
      names.push_back(each);
      if (named == value) name = each;
    }
    field(key, name, names);
    for (const auto& [each, named] : choices)
      if (each == name) value = named;
  }
  /// A key of older versions that newer ones neither need nor refuse.
  void ignored(const std::string& key);
  /// Throws FormatError for a section or key of the file that no field has asked for.
  void refuse_unknown() const;

  const Json& config() const { return config_; }

 private:
  const Json& given(const std::string& key);
  template <class T>
  void number(const std::string& key, T& value, Range range);
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

  Json config_;
  std::string file_, section_;
  bool reading_ = false;
  std::vector<std::pair<std::string, std::string>> known_;  // section and key
};

using FieldList = std::function<void(Fields&)>;

/// The fields as JSON text, sections and keys in order.
std::string config_text(const FieldList& fields);
/// Sets the fields from `text`. Throws FormatError that names `file` and the key.
void parse_config(const std::string& text, const std::string& file, const FieldList& fields);
/// The same with a file. Throws UserError (no_input) where there is none.
void read_config(const std::filesystem::path& file, const FieldList& fields);

/// What differs: "hidden is 100 in the run, not 50"; keys in `free` ("training.epochs", or
/// "parallel" for a whole section) may.
std::vector<std::string> changed_fields(const FieldList& before, const FieldList& now,
                                        const std::vector<std::string>& free);

}  // namespace tapestry::app
