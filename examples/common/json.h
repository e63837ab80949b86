#pragma once
// A JSON value whose objects keep the order of their keys. nlohmann/json reads and writes the text;
// only json.cpp includes it, since it takes seconds to compile.
//
//   Json out = {{"loss", 5.2}, {"epochs", 3}};
//   out["best"]["loss"] = 5.1;
//   write_atomically(path, out.dump(2) + "\n");
//   const double loss = Json::parse(text).at("loss").get<double>();

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tapestry::app {

/// Text that is not JSON, a key that is not there, a value of another type.
struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Json {
 public:
  enum class Kind { null, boolean, integer, natural, real, text, array, object };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : kind_(Kind::boolean), integer_(value) {}
  Json(double value) : kind_(Kind::real), real_(value) {}
  template <std::signed_integral T>
  Json(T value) : kind_(Kind::integer), integer_(value) {}
  template <std::unsigned_integral T>
  requires(!std::is_same_v<T, bool>) Json(T value)
      : kind_(Kind::natural), integer_(static_cast<std::int64_t>(value)) {}
  Json(const char* text) : kind_(Kind::text), text_(text) {}
  Json(std::string text) : kind_(Kind::text), text_(std::move(text)) {}
  template <class T>
  Json(const std::vector<T>& values) : kind_(Kind::array), items_(values.begin(), values.end()) {}
  Json(std::initializer_list<std::pair<std::string, Json>> members);
  static Json array();
  static Json object();

  /// Throws JsonError with line and column where `text` is not JSON.
  static Json parse(std::string_view text);
  /// In one line, or with each level indented by `indent` spaces more; bytes that are not UTF-8 are
  /// replaced, numbers that are not finite are null.
  std::string dump(int indent = -1) const;

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_number() const;
  bool is_object() const { return kind_ == Kind::object; }
  std::size_t size() const { return items_.size(); }
  /// The key of member `i` of an object.
  const std::string& key(std::size_t i) const { return keys_[i]; }
  const Json& item(std::size_t i) const { return items_[i]; }

  /// The member `key`, made if it is missing; a null becomes an object.
  Json& operator[](const std::string& key);
  /// Null where there is none.
  const Json* find(std::string_view key) const;
  /// Throws JsonError where there is none.
  const Json& at(std::string_view key) const;
  /// A null becomes an array.
  void push_back(Json value);

  /// The value as T: a bool, a number that it fits (whole ones only into integers), a string, a
  /// vector of them. Throws JsonError for a value of another type.
  template <class T>
  T get() const {
    T value{};
    get_to(value);
    return value;
  }
  void get_to(bool& value) const;
  void get_to(int& value) const;
  void get_to(std::int64_t& value) const;
  void get_to(std::uint64_t& value) const;
  void get_to(double& value) const;
  void get_to(std::string& value) const;
  template <class T>
  void get_to(std::vector<T>& values) const {
    require(kind_ == Kind::array);
    values.clear();
    for (const Json& item : items_) values.push_back(item.get<T>());
  }

 private:
  void require(bool right_type) const;

  Kind kind_ = Kind::null;
  std::int64_t integer_ = 0;  // also of bool; of natural, its bits
  double real_ = 0;
  std::string text_;
  std::vector<std::string> keys_;  // of an object, one for each item
  std::vector<Json> items_;
};

}  // namespace tapestry::app
