// CSV and TSV files: two bytes of settings, then the file. Any text, quoted, is read as it was.

#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/text/text.h>

#include "fuzz.h"

using namespace tapestry::lm;

namespace {

void round_trip(std::string_view text) {
  if (text.empty() || first_bad_byte(text) < text.size()) return;
  std::string quoted = "x,\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  const fuzz::File file(quoted + "\"\r\ny,z");
  int records = 0;
  read_records(file.path(), {.format = "csv", .column = "2", .header = "no"},
               [&](const Record& record) {
                 fuzz::check(record.text == (records++ == 0 ? text : "z"));
                 return true;
               });
  fuzz::check(records == 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  TextSettings settings;
  settings.format = fuzz::choose({"csv", "tsv"}, data[0]);
  settings.header = fuzz::choose({"auto", "yes", "no"}, data[0] / 2);
  settings.column = fuzz::choose({"1", "2", "body", "0"}, data[0] / 8);
  settings.on_bad_utf8 = fuzz::choose({"error", "replace", "skip"}, data[1]);
  settings.quote = fuzz::choose({"\"", "none", "'"}, data[1] / 4);
  const std::string_view bytes = fuzz::text_of(data + 2, size - 2);
  const fuzz::File file(bytes);
  const auto use = [](const Record& record) {
    fuzz::check(first_bad_byte(record.text) == record.text.size());
    record.position(record.text.size());
    return true;
  };
  fuzz::accepts([&] { read_records(file.path(), settings, use); });
  fuzz::accepts([&] {
    read_records(
        file.path(), settings, [](const Record&) { return true; }, BadRecord::mark);
  });
  round_trip(bytes);
  return 0;
}
