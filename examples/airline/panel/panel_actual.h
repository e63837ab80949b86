#pragma once
// What followed the training parts of a panel, to score forecasts against: a file of the long form,
// whose times say which forecast a value belongs to, or of the wide one, whose values follow the
// training parts in their order.

#include <tapestry/examples/airline/panel/panel.h>
#include <tapestry/examples/airline/settings.h>

namespace tapestry::airline {

/// By series: the values at the first of `times` [series][distance - 1], as far as the file goes;
/// of other times and other series it may hold more. It is long where its header has the column
/// input.id_column. Throws FormatError that names series and line: for a series without a value, or
/// with none at a time before its last one.
std::vector<std::vector<double>> read_actual(const std::string& file, const InputSettings& input,
                                             Frequency frequency,
                                             const std::vector<std::string>& ids,
                                             const std::vector<std::vector<std::string>>& times);
/// The same from text; `file` names it in messages.
std::vector<std::vector<double>> parse_actual(std::string_view text, const std::string& file,
                                              const InputSettings& input, Frequency frequency,
                                              const std::vector<std::string>& ids,
                                              const std::vector<std::vector<std::string>>& times);

}  // namespace tapestry::airline
