#include <tapestry/examples/lm/ngram/counts.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <limits>

namespace tapestry::lm {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

/// The words of the text, sentences one after the other, with how many words of its sentence stand
/// before each (5 for more).
struct WordList {
  std::vector<int32_t> ids;
  std::vector<uint8_t> before;

  explicit WordList(const EncodedCorpus& text) {
    for (int64_t s = 0; s < text.sentences(); ++s) {
      const auto sentence = text.sentence(s);
      for (size_t i = text.continues(s) ? 1 : 0; i < sentence.size(); ++i) {
        const bool begins = i == 0;
        before.push_back(begins ? 0 : std::min<uint8_t>(kHighestOrder, before.back() + 1));
        ids.push_back(sentence[i]);
      }
    }
  }
};

/// Level n of the words: nodes[i], that of the n - 1 words before word i and in `nodes`, becomes
/// that of n words up to word i.
NgramLevel make_level(const WordList& words, int n, NgramLevel& parents,
                      std::vector<uint32_t>& nodes) {
  const auto has = [&](size_t i) { return words.before[i] + 1 >= n; };
  const auto key = [&](size_t i) {
    return uint64_t{nodes[i - 1]} << 32 | static_cast<uint32_t>(words.ids[i]);
  };
  std::vector<uint64_t> keys;
  keys.reserve(words.ids.size());
  for (size_t i = 1; i < words.ids.size(); ++i)
    if (has(i)) keys.push_back(key(i));
  std::sort(keys.begin(), keys.end());

  NgramLevel level;
  parents.first.assign(parents.words.size() + 1, 0);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys[i] == keys[i - 1]) {
      ++level.counts.back();
      continue;
    }
    level.words.push_back(static_cast<int32_t>(keys[i] & kNone));
    level.counts.push_back(1);
    ++parents.first[(keys[i] >> 32) + 1];
  }
  for (size_t i = 1; i < parents.first.size(); ++i) parents.first[i] += parents.first[i - 1];

  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (size_t i = words.ids.size(); i-- > 0;)  // from the end: nodes[i - 1] is still of n - 1 words
    nodes[i] = i > 0 && has(i)
                   ? static_cast<uint32_t>(std::lower_bound(keys.begin(), keys.end(), key(i)) -
                                           keys.begin())
                   : kNone;
  return level;
}

}  // namespace

NgramCounts::NgramCounts(const EncodedCorpus& text, int32_t vocabulary, int order) {
  require<ValueError>(order >= 1 && order <= kHighestOrder, "n-grams: order ", order,
                      ": expected 1 to ", kHighestOrder);
  require<ValueError>(text.ids.size() < kNone, "n-grams: more than 4294967294 tokens");
  const WordList words(text);
  NgramLevel& unigrams = levels_.emplace_back();
  unigrams.counts.resize(index(vocabulary));
  for (int32_t id = 0; id < vocabulary; ++id) unigrams.words.push_back(id);
  for (const int32_t id : words.ids) ++unigrams.counts[index(id)];
  unigrams.counts[Vocabulary::begin] = 0;

  std::vector<uint32_t> shorter(words.ids.begin(), words.ids.end());  // nodes of n - 1 words
  for (int n = 2; n <= order; ++n) {
    std::vector<uint32_t> nodes = shorter;
    levels_.push_back(make_level(words, n, levels_.back(), nodes));
    // What was counted becomes in how many of the longer ones it is, once each.
    std::vector<uint32_t>& counts = levels_[index(n) - 2].counts;
    std::vector<bool> seen(levels_.back().words.size());
    std::vector<bool> counted(counts.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i] == kNone || seen[nodes[i]]) continue;
      seen[nodes[i]] = true;
      if (!counted[shorter[i]]) counts[shorter[i]] = 0, counted[shorter[i]] = true;
      ++counts[shorter[i]];
    }
    shorter = std::move(nodes);
  }
}

int64_t NgramCounts::child(int n, int64_t node, int32_t word) const {
  if (n == 0) return word;
  const auto& first = level(n).first;
  const auto& words = level(n + 1).words;
  const auto begin = words.begin() + first[index(node)],
             end = words.begin() + first[index(node) + 1];
  const auto found = std::lower_bound(begin, end, word);
  return found != end && *found == word ? found - words.begin() : -1;
}

}  // namespace tapestry::lm
