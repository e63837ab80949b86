#pragma once
// What structure_test.cpp reads off a source file, with simple scanners: text without comments,
// includes, and the functions that it defines. They know the style of this repository, not C++.

#include <algorithm>
#include <cctype>
#include <istream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace tapestry::testing {

/// The text with comments, and on request what strings hold, as blanks; lines stay where they are.
inline std::string code_of(const std::string& text, bool strings = false) {
  std::string out = text;
  const auto blank = [&](size_t from, size_t to) {
    for (size_t i = from; i < std::min(to, out.size()); ++i)
      if (out[i] != '\n') out[i] = ' ';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) {
      const size_t end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t end = std::min(text.find("*/", i + 2), text.size());
      blank(i, end + 2);
      i = end + 1;
    } else if (text.compare(i, 2, "R\"") == 0) {
      const size_t open = text.find('(', i);
      const std::string close = ")" + text.substr(i + 2, open - i - 2) + "\"";
      const size_t end = std::min(text.find(close, open), text.size());
      if (!strings) blank(open + 1, end);
      i = end + close.size() - 1;
    } else if (text[i] == '"' ||
               (text[i] == '\'' &&
                (i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1]))))) {
      const char quote = text[i];
      size_t end = i + 1;
      while (end < text.size() && text[end] != quote) end += text[end] == '\\' ? 2 : 1;
      if (!strings || quote == '\'') blank(i + 1, end);
      i = end;
    }
  }
  return out;
}

/// The strings in the text, without their quotes.
inline std::set<std::string> strings_of(const std::string& text) {
  std::set<std::string> out;
  const std::string code = code_of(text, true);
  static const std::regex string("\"([^\"\\\\\n]*)\"");
  for (std::sregex_iterator i(code.begin(), code.end(), string), end; i != end; ++i)
    out.insert((*i)[1]);
  return out;
}

/// What follows #include, as written.
inline std::vector<std::string> includes_of(const std::string& text) {
  std::vector<std::string> out;
  static const std::regex include(R"(^\s*#\s*include\s*([<"][^>"]*[>"]))");
  std::istringstream lines(code_of(text, true));
  for (std::string line; std::getline(lines, line);)
    if (std::smatch m; std::regex_search(line, m, include)) out.push_back(m[1]);
  return out;
}

struct Function {
  std::string header;  // from its return type to the brace, on one line
  size_t line = 0, lines = 0;
};

/// The functions with a body, those of classes too; lambdas count to the function they stand in.
inline std::vector<Function> functions_of(const std::string& text) {
  std::string code = code_of(text);
  for (size_t i = 0; i < code.size(); ++i)  // the preprocessor's lines
    if (code[i] == '#' && code.find_last_not_of(" \t", i - 1) != std::string::npos &&
        (i == 0 || code[code.find_last_not_of(" \t", i - 1)] == '\n' || i == 0))
      for (; i < code.size() && (code[i] != '\n' || code[i - 1] == '\\'); ++i)
        if (code[i] != '\n') code[i] = ' ';

  static const std::regex type(
      R"(^\s*(inline |extern |static |typedef )*(namespace|class|struct|union|enum)\b)");
  static const std::regex parameters(
      R"(^\s*template\s*<[^<>]*(<[^<>]*(<[^<>]*>[^<>]*)*>[^<>]*)*>)");
  enum class Kind { outer, function, other };
  std::vector<Kind> open;
  std::vector<Function> out;
  size_t start = 0;  // of what stands before a brace
  int parentheses = 0;
  const auto line = [&](size_t at) {
    return static_cast<size_t>(
        std::count(code.begin(), code.begin() + static_cast<long>(at), '\n'));
  };
  for (size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == '(') ++parentheses;
    if (c == ')') --parentheses;
    const bool inside = !open.empty() && open.back() != Kind::outer;
    if (c == ';' && !inside && parentheses == 0) start = i + 1;
    if (c == '{') {
      std::string header = std::regex_replace(code.substr(start, i - start), parameters, "");
      const bool outer = std::regex_search(header, type) && !inside;
      const bool function = !inside && !outer && header.find('(') != std::string::npos;
      if (function) {
        const size_t first = code.find_first_not_of(" \t\n", start);
        out.push_back({std::regex_replace(header, std::regex(R"(\s+)"), " "), line(first) + 1, 0});
      }
      open.push_back(outer ? Kind::outer : function ? Kind::function : Kind::other);
      if (!inside) start = i + 1;
    }
    if (c == '}' && !open.empty()) {
      if (open.back() == Kind::function) out.back().lines = line(i) + 2 - out.back().line;
      open.pop_back();
      if (open.empty() || open.back() == Kind::outer) start = i + 1;
    }
  }
  return out;
}

/// The classes whose members a source defines outside of them: Tape in `void Tape::run() {`.
inline std::set<std::string> classes_implemented(const std::string& text) {
  std::set<std::string> out;
  static const std::regex member(
      R"(\b([A-Z]\w*)(<[^()]*>)?::(\w+::)*[~\w]+ ?(=|<|\+|-|\*|\[\]|\(\))*\()");
  for (const Function& f : functions_of(text))
    if (std::smatch m; std::regex_search(f.header, m, member)) out.insert(m[1]);
  return out;
}

inline bool declares_class(const std::string& text, const std::string& name) {
  return std::regex_search(code_of(text),
                           std::regex("\\b(class|struct)\\s+(\\w+::)*" + name + "\\b"));
}

/// The words of the code, without comments and strings.
inline std::set<std::string> words_of(const std::string& text) {
  std::set<std::string> out;
  static const std::regex word(R"([A-Za-z_]\w*)");
  const std::string code = code_of(text);
  for (std::sregex_iterator i(code.begin(), code.end(), word), end; i != end; ++i)
    out.insert(i->str());
  return out;
}

}  // namespace tapestry::testing
