#include <tapestry/examples/lm/text/token_table.h>
#include <tapestry/tensor/error.h>

#include <functional>
#include <limits>

namespace tapestry::lm {

size_t TokenTable::slot(std::string_view token) const {
  const size_t mask = slots_.size() - 1;
  size_t i = std::hash<std::string_view>{}(token)&mask;
  while (slots_[i] >= 0 && tokens_[static_cast<size_t>(slots_[i])] != token) i = (i + 1) & mask;
  return i;
}

void TokenTable::grow() {
  slots_.assign(std::max<size_t>(64, 2 * slots_.size()), -1);
  for (int32_t id = 0; id < size(); ++id) slots_[slot(tokens_[static_cast<size_t>(id)])] = id;
}

int32_t TokenTable::intern(std::string_view token) {
  if (2 * tokens_.size() >= slots_.size()) grow();
  int32_t& id = slots_[slot(token)];
  if (id >= 0) return id;
  require<ValueError>(tokens_.size() < size_t{std::numeric_limits<int32_t>::max()},
                      "corpus: more than 2147483646 distinct tokens");
  id = size();
  tokens_.emplace_back(token);
  return id;
}

int32_t TokenTable::find(std::string_view token) const {
  return slots_.empty() ? -1 : slots_[slot(token)];
}

const std::string& TokenTable::token(int32_t id) const {
  require<IndexError>(id >= 0 && id < size(), "token id ", id, " is outside a table of ", size());
  return tokens_[static_cast<size_t>(id)];
}

}  // namespace tapestry::lm
