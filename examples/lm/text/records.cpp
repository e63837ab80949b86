#include <fmt/format.h>
#include <tapestry/examples/common/csv.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace tapestry::lm {
namespace {

/// The lines of a file as UTF-8: what to do with other bytes is done.
class CheckedLines {
 public:
  CheckedLines(const std::string& path, Lines lines, const TextSettings& settings, BadRecord bad)
      : file_(path, lines), settings_(settings), bad_(bad) {}

  /// The next line, or part of one, with its line end; empty at the end.
  std::string_view next() {
    const std::string_view line = file_.line();
    good_ = first_bad_byte(line) == line.size();
    if (good_) return line;
    if (settings_.on_bad_utf8 == "error" && bad_ == BadRecord::mark) return line;
    if (settings_.on_bad_utf8 == "error")
      check_text(file_.path(), line, file_.number(), file_.column());
    if (file_.number() == 1 && file_.begins()) refuse_wide(file_.path(), line);
    ++repaired_;
    good_ = true;
    repaired_line_ = repair(line, settings_.on_bad_utf8 == "replace" ? "\uFFFD" : "");
    return repaired_line_.empty() ? next() : repaired_line_;
  }
  const InputFile& file() const { return file_; }
  bool good() const { return good_; }

  /// Of line ends and bytes that nobody would expect, where they are no error.
  void add_notes(std::vector<std::string>& notes) const {
    if (file_.carriage_returns()) notes.emplace_back("lines end with CR");
    if (repaired_ > 0)
      notes.push_back(fmt::format("bytes that are not UTF-8 {} in {} line{}",
                                  settings_.on_bad_utf8 == "replace" ? "replaced" : "skipped",
                                  repaired_, repaired_ == 1 ? "" : "s"));
  }

 private:
  InputFile file_;
  const TextSettings& settings_;
  BadRecord bad_;
  bool good_ = true;
  int64_t repaired_ = 0;
  std::string repaired_line_;
};

/// Whether the first row of a table names its columns: distinct single words.
bool looks_like_header(const app::CsvRow& row) {
  std::vector<std::string> names;
  for (const app::CsvField& field : row) {
    std::vector<std::string_view> words;
    split_at_spaces(field.text, words);
    const auto is_letter = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
    };
    if (words.size() != 1 || !is_letter(words[0][0])) return false;
    if (words[0].find_first_of(".,;:!?") != std::string_view::npos) return false;
    names.emplace_back(words[0]);
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// Names of columns, short enough for a message.
std::string list(std::vector<std::string> names) {
  constexpr size_t kLongest = 40, kMost = 20;
  for (std::string& name : names)
    if (name.size() > kLongest) name = "...";
  if (names.size() > kMost) names.resize(kMost), names.emplace_back("...");
  return app::join(names, ", ");
}

Place row_place(const std::string& path, const app::CsvRow& row) {
  return {message_of(input_name(path), ":", row[0].line, ":1")};
}

/// Which column of a table is text, decided by its first row.
struct Column {
  size_t index = 0;
  bool header = false;
  std::string description;

  Column(const std::string& path, const TextSettings& s, const app::CsvRow& first) {
    std::vector<std::string> names;
    for (const auto& field : first) names.push_back(field.text);
    const auto named = std::find(names.begin(), names.end(), s.column);
    const char* const end = s.column.data() + s.column.size();
    size_t number = 0;
    const auto [stop, error] = std::from_chars(s.column.data(), end, number);
    const bool is_number = error == std::errc{} && stop == end && number > 0;
    header = s.header == "auto" ? !is_number || looks_like_header(first) : s.header == "yes";
    if (header && named != names.end()) {
      index = static_cast<size_t>(named - names.begin());
    } else {
      require<FormatError>(is_number && number <= names.size(), row_place(path, first),
                           "no column ", s.column, " (there are ", names.size(),
                           header ? ": " + list(names) : "", "; choose one with --column)");
      index = number - 1;
    }
    description = fmt::format(
        "{}{}; column {} of {} is the text",
        header ? "the first row is a header: " + list(names) : "the first row is no header",
        s.header == "auto" ? fmt::format(" (else --header {})", header ? "no" : "yes") : "",
        index + 1, names.size());
  }
};

std::string format_of(const std::string& path, const TextSettings& s) {
  if (s.format != "auto") return s.format;
  const std::string name = lower(path.substr(path.rfind('/') + 1));
  return name.ends_with(".csv") ? "csv" : name.ends_with(".tsv") ? "tsv" : "text";
}

void read_lines(CheckedLines& lines, const std::string& path,
                const std::function<bool(const Record&)>& use) {
  for (std::string_view line; !(line = lines.next()).empty();) {
    const std::string_view text = take_line(line);
    const InputFile& file = lines.file();
    if (!use({text, path, file.number(), file.column(), lines.good(), file.begins(), file.ends()}))
      return;
  }
}

/// Returns which column it read.
std::string read_table(CheckedLines& lines, const std::string& path, char delimiter,
                       const TextSettings& s, const std::function<bool(const Record&)>& use) {
  app::CsvReader table(input_name(path), {.separator = delimiter,
                                          .quote = s.quote == "none" ? '\0' : s.quote[0],
                                          .hint = ", or read quotes as text: --quote none"});
  std::optional<Column> column;
  const auto row = [&](const app::CsvRow& fields) {
    const bool first = !column;
    if (first) column.emplace(path, s, fields);
    if (first && column->header) return true;
    require<FormatError>(column->index < fields.size(), row_place(path, fields), "the record has ",
                         fields.size(), " field", fields.size() == 1 ? "" : "s", ", no column ",
                         column->index + 1,
                         " (is the separator right? --format csv, --format tsv)");
    const app::CsvField& field = fields[column->index];
    return use({field.text, path, field.line, field.column,
                first_bad_byte(field.text) == field.text.size()});
  };
  for (std::string_view line; !(line = lines.next()).empty();)
    if (!table.read(line, lines.file().number(), row)) return column->description;
  table.finish(row);
  return column ? column->description : "";
}

}  // namespace

Place Record::position(size_t offset) const {
  return lm::position(std::string(path), text, offset, line, column);
}

std::string read_records(const std::string& path, const TextSettings& settings,
                         const std::function<bool(const Record&)>& use, BadRecord bad) {
  const std::string format = format_of(path, settings);
  CheckedLines lines(path, format == "text" ? Lines::in_parts : Lines::whole, settings, bad);
  std::vector<std::string> notes;
  if (format == "text")
    read_lines(lines, path, use);
  else
    notes.push_back(fmt::format(
        "{}; {}", format, read_table(lines, path, format == "csv" ? ',' : '\t', settings, use)));
  lines.add_notes(notes);
  return notes.empty() ? "" : input_name(path) + ": " + app::join(notes, "; ");
}

}  // namespace tapestry::lm
