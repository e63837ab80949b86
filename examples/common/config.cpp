#include <tapestry/examples/common/config.h>

#include <fmt/format.h>
#include <tapestry/examples/common/checks.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

namespace tapestry::app {

void Fields::refuse(const std::string& key, const std::string& problem) const {
  const std::string place = section_.empty() ? key : section_ + "." + key;
  throw FormatError(
      fmt::format("{}: not the configuration of a run: {} {}", file_, place, problem));
}

void Fields::section(const std::string& name) {
  section_ = name;
  if (!reading_) config_[name] = Json::object();
}

const Json& Fields::given(const std::string& key) {
  known_.emplace_back(section_, key);
  const Json* part = config_.find(section_);
  if (part && !part->is_object()) refuse(key, "stands in a section that is no object");
  const Json* value = part ? part->find(key) : nullptr;
  if (!value) refuse(key, "is missing");
  return *value;
}

template <class T>
void Fields::number(const std::string& key, T& value, Range range) {
  if (!reading_) {
    config_[section_][key] = value;
    return;
  }
  T read{};
  try {
    given(key).get_to(read);
  } catch (const JsonError&) {
    refuse(key, std::is_integral_v<T> ? "is no whole number" : "is no number");
  }
  const auto x = static_cast<double>(read);
  if (!std::isfinite(x) || x < range.low || x > range.high) {
    const Check allowed = app::number(range.low, range.high);
    refuse(key, fmt::format("is {}, expected {}", read, allowed.range));
  }
  value = read;
}

void Fields::field(const std::string& key, std::int64_t& value, Range range) {
  number(key, value, range);
}
void Fields::field(const std::string& key, std::uint64_t& value, Range range) {
  number(key, value, range);
}
void Fields::field(const std::string& key, double& value, Range range) {
  number(key, value, range);
}

void Fields::field(const std::string& key, bool& value) {
  if (!reading_) {
    config_[section_][key] = value;
    return;
  }
  try {
    given(key).get_to(value);
  } catch (const JsonError&) {
    refuse(key, "is neither true nor false");
  }
}

void Fields::field(const std::string& key, std::string& value, std::vector<std::string> allowed) {
  if (!reading_) {
    config_[section_][key] = value;
    return;
  }
  std::string read;
  try {
    given(key).get_to(read);
  } catch (const JsonError&) {
    refuse(key, "is no text");
  }
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), read) == allowed.end())
    refuse(key, fmt::format("is '{}', expected one of {}", read, join(allowed, ", ")));
  value = read;
}

void Fields::field(const std::string& key, std::vector<std::string>& values) {
  if (!reading_) {
    config_[section_][key] = values;
    return;
  }
  try {
    given(key).get_to(values);
  } catch (const JsonError&) {
    refuse(key, "is no list of texts");
  }
}

void Fields::ignored(const std::string& key) { known_.emplace_back(section_, key); }

void Fields::refuse_unknown() const {
  const auto knows = [&](const std::string& section, const std::string* key) {
    return std::any_of(known_.begin(), known_.end(), [&](const auto& known) {
      return known.first == section && (!key || known.second == *key);
    });
  };
  for (std::size_t i = 0; i < config_.size(); ++i) {
    const std::string& section = config_.key(i);
    if (!knows(section, nullptr))
      throw FormatError(
          fmt::format("{}: not the configuration of a run: {} is unknown", file_, section));
    const Json& part = config_.item(i);
    for (std::size_t k = 0; k < part.size(); ++k)
      if (!knows(section, &part.key(k)))
        throw FormatError(fmt::format("{}: not the configuration of a run: {}.{} is unknown", file_,
                                      section, part.key(k)));
  }
}

std::string config_text(const FieldList& fields) {
  Fields out;
  fields(out);
  return out.config().dump(2) + "\n";
}

void parse_config(const std::string& text, const std::string& file, const FieldList& fields) {
  Json config;
  try {
    config = Json::parse(text);
  } catch (const JsonError& error) {
    throw FormatError(fmt::format("{}: not the configuration of a run: {}", file, error.what()));
  }
  if (!config.is_object())
    throw FormatError(file + ": not the configuration of a run: it is no JSON object");
  Fields in(std::move(config), file);
  fields(in);
  in.refuse_unknown();
}

void read_config(const std::filesystem::path& file, const FieldList& fields) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw UserError(ExitCode::no_input, "cannot be read", "name the directory of a run",
                    file.string());
  parse_config({std::istreambuf_iterator<char>(in), {}}, file.string(), fields);
}

std::vector<std::string> changed_fields(const FieldList& before, const FieldList& now,
                                        const std::vector<std::string>& free) {
  Fields was, is;
  before(was);
  now(is);
  std::vector<std::string> out;
  const auto may_change = [&](const std::string& name) {
    return std::find(free.begin(), free.end(), name) != free.end();
  };
  for (std::size_t i = 0; i < is.config().size(); ++i) {
    const std::string& section = is.config().key(i);
    const Json& part = is.config().item(i);
    for (std::size_t k = 0; k < part.size() && !may_change(section); ++k) {
      const std::string& key = part.key(k);
      const Json* old = was.config().at(section).find(key);
      const std::string before_text = old ? old->dump() : "missing", text = part.item(k).dump();
      if (text != before_text && !may_change(section + "." + key))
        out.push_back(fmt::format("{} is {} in the run, not {}", key, before_text, text));
    }
  }
  return out;
}

}  // namespace tapestry::app
