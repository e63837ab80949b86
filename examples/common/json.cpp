#include <tapestry/examples/common/json.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace tapestry::app {
namespace {

using Text = nlohmann::ordered_json;

Json from_text(const Text& value) {
  switch (value.type()) {
    case Text::value_t::boolean:
      return value.get<bool>();
    case Text::value_t::number_integer:
      return value.get<std::int64_t>();
    case Text::value_t::number_unsigned:
      return value.get<std::uint64_t>();
    case Text::value_t::number_float:
      return value.get<double>();
    case Text::value_t::string:
      return value.get<std::string>();
    case Text::value_t::array: {
      Json out = Json::array();
      for (const Text& item : value) out.push_back(from_text(item));
      return out;
    }
    case Text::value_t::object: {
      Json out = Json::object();
      for (const auto& [key, member] : value.items()) out[key] = from_text(member);
      return out;
    }
    default:
      return {};
  }
}

Text to_text(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::boolean:
      return value.get<bool>();
    case Json::Kind::integer:
      return value.get<std::int64_t>();
    case Json::Kind::natural:
      return value.get<std::uint64_t>();
    case Json::Kind::real:
      return value.get<double>();
    case Json::Kind::text:
      return value.get<std::string>();
    case Json::Kind::array: {
      Text out = Text::array();
      for (std::size_t i = 0; i < value.size(); ++i) out.push_back(to_text(value.item(i)));
      return out;
    }
    case Json::Kind::object: {
      Text out = Text::object();
      for (std::size_t i = 0; i < value.size(); ++i) out[value.key(i)] = to_text(value.item(i));
      return out;
    }
    default:
      return nullptr;
  }
}

}  // namespace

Json::Json(std::initializer_list<std::pair<std::string, Json>> members) : kind_(Kind::object) {
  for (const auto& [key, value] : members) (*this)[key] = value;
}

Json Json::array() {
  Json out;
  out.kind_ = Kind::array;
  return out;
}

Json Json::object() {
  Json out;
  out.kind_ = Kind::object;
  return out;
}

Json Json::parse(std::string_view text) {
  try {
    return from_text(Text::parse(text));
  } catch (const Text::parse_error& error) {
    const std::string_view before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    throw JsonError("line " + std::to_string(line) + ", column " + std::to_string(column) +
                    ": it is not JSON");
  } catch (const Text::exception&) {  // a number too large
    throw JsonError("it is not JSON");
  }
}

std::string Json::dump(int indent) const {
  return to_text(*this).dump(indent, ' ', false, Text::error_handler_t::replace);
}

bool Json::is_number() const {
  return kind_ == Kind::integer || kind_ == Kind::natural || kind_ == Kind::real;
}

Json& Json::operator[](const std::string& key) {
  if (kind_ == Kind::null) kind_ = Kind::object;
  require(kind_ == Kind::object);
  if (const Json* found = find(key)) return const_cast<Json&>(*found);
  keys_.push_back(key);
  return items_.emplace_back();
}

const Json* Json::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (keys_[i] == key) return &items_[i];
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* found = find(key)) return *found;
  throw JsonError(std::string(key) + " is missing");
}

void Json::push_back(Json value) {
  if (kind_ == Kind::null) kind_ = Kind::array;
  require(kind_ == Kind::array);
  items_.push_back(std::move(value));
}

void Json::require(bool right_type) const {
  if (!right_type) throw JsonError("has a value of another type");
}

void Json::get_to(bool& value) const {
  require(kind_ == Kind::boolean);
  value = integer_ != 0;
}

void Json::get_to(std::int64_t& value) const {
  require(kind_ == Kind::integer || (kind_ == Kind::natural && integer_ >= 0));
  value = integer_;
}

void Json::get_to(std::uint64_t& value) const {
  require(kind_ == Kind::natural || (kind_ == Kind::integer && integer_ >= 0));
  value = static_cast<std::uint64_t>(integer_);
}

void Json::get_to(int& value) const {
  const auto whole = get<std::int64_t>();
  require(whole >= std::numeric_limits<int>::min() && whole <= std::numeric_limits<int>::max());
  value = static_cast<int>(whole);
}

void Json::get_to(double& value) const {
  require(is_number());
  value = kind_ == Kind::real      ? real_
          : kind_ == Kind::natural ? static_cast<double>(static_cast<std::uint64_t>(integer_))
                                   : static_cast<double>(integer_);
}

void Json::get_to(std::string& value) const {
  require(kind_ == Kind::text);
  value = text_;
}

}  // namespace tapestry::app
