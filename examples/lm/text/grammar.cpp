#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

namespace tapestry::lm {
namespace {

enum Number { one, many };
enum Kind { person, animal, thing, place };

using Words = std::vector<std::string>;

const Words nouns[4][2] = {
    {{"teacher", "king", "child", "doctor", "woman"},
     {"teachers", "kings", "children", "doctors", "women"}},
    {{"dog", "bird", "horse", "cat", "wolf"}, {"dogs", "birds", "horses", "cats", "wolves"}},
    {{"clock", "bell", "radio", "machine", "lamp"},
     {"clocks", "bells", "radios", "machines", "lamps"}},
    {{"house", "river", "garden", "bridge", "village"},
     {"houses", "rivers", "gardens", "bridges", "villages"}}};
const Words verbs[3][2] = {
    {{"laughs", "sings", "waits", "reads"}, {"laugh", "sing", "wait", "read"}},
    {{"sleeps", "runs", "eats", "hides"}, {"sleep", "run", "eat", "hide"}},
    {{"works", "stops", "breaks", "hums"}, {"work", "stop", "break", "hum"}}};
const Words transitive_verbs[2] = {{"likes", "sees", "knows", "wants"},
                                   {"like", "see", "know", "want"}};
const Words number_determiners[2] = {{"this", "every", "a"}, {"these", "many", "all"}};
const Words adjectives = {"small", "big", "strange", "quiet", "red"};
const Words prepositions = {"in", "near", "behind", "by"};
const Words frequency_adverbs = {"often", "never", "always"};
const Words final_adverbs = {"today", "here", "again"};
// How a sentence opens tells how it ends.
const Words openers[3] = {{"so", "then", "well"}, {"perhaps", "maybe"}, {"surely", "indeed"}};
const Words marks[3] = {{"."}, {"?"}, {"!"}};
const double mood_probability[3] = {0.5, 0.25, 0.25};

double plogp(double p) { return p > 0 ? p * std::log(p) : 0; }

}  // namespace

// Builds the automaton from its end to its start: each function takes the state that follows.
struct AgreementGrammar::Builder {
  struct Choice {
    double probability;
    const Words& words;
    size_t next;
  };
  using Follow = std::function<size_t(Kind, Number)>;

  AgreementGrammar& grammar;

  size_t word_class(const Words& words) {
    if (const auto known = grammar.places_.find(words[0]); known != grammar.places_.end())
      return known->second.first;
    WordClass made{words, {}, 0};
    double total = 0;
    for (size_t r = 0; r < words.size(); ++r) total += 1 / (static_cast<double>(r) + 2);
    for (size_t r = 0; r < words.size(); ++r) {
      made.probability.push_back(1 / (static_cast<double>(r) + 2) / total);
      made.entropy -= plogp(made.probability.back());
      grammar.places_[words[r]] = {grammar.classes_.size(), r};
    }
    grammar.classes_.push_back(made);
    return grammar.classes_.size() - 1;
  }

  size_t state(const std::vector<Choice>& choices) {
    std::vector<Arc> arcs;
    for (const Choice& c : choices) arcs.push_back({word_class(c.words), c.probability, c.next});
    grammar.states_.push_back(arcs);
    return grammar.states_.size() - 1;
  }

  size_t noun(const std::vector<Kind>& kinds, const std::vector<Number>& numbers,
              const Follow& follow) {
    const double share = 1.0 / static_cast<double>(kinds.size() * numbers.size());
    std::vector<Choice> choices;
    for (const Kind k : kinds)
      for (const Number n : numbers) choices.push_back({share, nouns[k][n], follow(k, n)});
    const size_t bare = state(choices);
    for (Choice& c : choices) c.probability *= 0.65;
    choices.push_back({0.35, adjectives, bare});
    return state(choices);
  }

  size_t noun_phrase(const std::vector<Kind>& kinds, const Follow& follow) {
    static const Words the = {"the"};
    return state({{0.3, number_determiners[one], noun(kinds, {one}, follow)},
                  {0.3, number_determiners[many], noun(kinds, {many}, follow)},
                  {0.4, the, noun(kinds, {one, many}, follow)}});
  }

  size_t place_phrase(size_t next) {  // after its preposition
    return noun_phrase({place}, [next](Kind, Number) { return next; });
  }

  // "that the small child (often) likes": after "that".
  size_t relative_clause(size_t next) {
    size_t verb[2];
    for (const Number n : {one, many}) {
      const size_t bare = state({{1, transitive_verbs[n], next}});
      verb[n] = state({{0.4, frequency_adverbs, bare}, {0.6, transitive_verbs[n], next}});
    }
    return noun_phrase({person}, [&](Kind, Number n) { return verb[n]; });
  }

  // What follows the head noun: all of it knows the noun and the mark to end with.
  size_t predicate(Kind k, Number n, const Words& stop) {
    static const Words conjunction = {"and"}, that = {"that"};
    const Words& verb = verbs[k][n];
    const size_t last = state({{1, stop, 0}});
    const size_t after_second_verb = state({{0.7, stop, 0}, {0.3, final_adverbs, last}});
    const size_t second_verb = state({{1, verb, after_second_verb}});
    const size_t after_place = state({{0.5, stop, 0}, {0.5, conjunction, second_verb}});
    const size_t after_verb = state({{0.45, stop, 0},
                                     {0.2, final_adverbs, last},
                                     {0.35, prepositions, place_phrase(after_place)}});
    const size_t main_verb = state({{1, verb, after_verb}});
    const size_t verb_or_place =
        state({{0.5, verb, after_verb}, {0.5, prepositions, place_phrase(main_verb)}});
    return state({{0.15, verb, after_verb},
                  {0.4, prepositions, place_phrase(verb_or_place)},
                  {0.45, that, relative_clause(verb_or_place)}});
  }

  void build() {
    grammar.states_.emplace_back();  // the end
    std::vector<Choice> moods;
    for (size_t m = 0; m < 3; ++m) {
      size_t predicates[3][2];
      for (const Kind k : {person, animal, thing})
        for (const Number n : {one, many}) predicates[k][n] = predicate(k, n, marks[m]);
      const auto follow = [&](Kind k, Number n) { return predicates[k][n]; };
      moods.push_back(
          {mood_probability[m], openers[m], noun_phrase({person, animal, thing}, follow)});
    }
    state(moods);
  }
};

AgreementGrammar::AgreementGrammar() {
  Builder{*this}.build();
  visits_[states_.size() - 1] = 1;
  for (size_t state = states_.size(); state-- > 0;)
    for (const Arc& arc : states_[state]) visits_[arc.next] += visits_[state] * arc.probability;
}

std::vector<std::string> AgreementGrammar::sample(Rng& rng) const {
  const auto draw = [&rng](const auto& items, auto probability) {
    double u = rng.uniform();
    size_t i = 0;
    while (i + 1 < items.size() && (u -= probability(items[i])) >= 0) ++i;
    return i;
  };
  std::vector<std::string> sentence;
  for (size_t state = states_.size() - 1; state != 0;) {
    const Arc& arc =
        states_[state][draw(states_[state], [](const Arc& a) { return a.probability; })];
    const WordClass& choice = classes_[arc.word_class];
    sentence.push_back(choice.words[draw(choice.probability, [](double p) { return p; })]);
    state = arc.next;
  }
  return sentence;
}

std::optional<AgreementGrammar::Step> AgreementGrammar::follow(size_t state,
                                                               const std::string& word) const {
  const auto found = places_.find(word);
  if (found == places_.end()) return {};
  const auto [word_class, rank] = found->second;
  for (const Arc& arc : states_[state])
    if (arc.word_class == word_class)
      return Step{arc.probability * classes_[word_class].probability[rank], arc.next};
  return {};
}

std::optional<double> AgreementGrammar::log_probability(
    std::span<const std::string> sentence) const {
  double sum = 0;
  size_t state = states_.size() - 1;
  for (const std::string& word : sentence) {
    const auto step = follow(state, word);
    if (!step) return {};
    sum += std::log(step->probability);
    state = step->next;
  }
  if (state != 0) return {};
  return sum;
}

Entropy AgreementGrammar::entropy() const {
  Entropy result;
  for (const auto& [state, visits] : visits_) {
    result.tokens_per_sentence += visits;
    for (const Arc& arc : states_[state])
      result.per_sentence +=
          visits * (arc.probability * classes_[arc.word_class].entropy - plogp(arc.probability));
  }
  return result;
}

std::vector<std::pair<std::string, double>> AgreementGrammar::next(
    std::span<const std::string> prefix) const {
  size_t state = states_.size() - 1;
  for (const std::string& word : prefix) {
    const auto step = follow(state, word);
    if (!step) return {};
    state = step->next;
  }
  std::vector<std::pair<std::string, double>> result;
  for (const Arc& arc : states_[state]) {
    const WordClass& choice = classes_[arc.word_class];
    for (size_t r = 0; r < choice.words.size(); ++r)
      result.emplace_back(choice.words[r], arc.probability * choice.probability[r]);
  }
  return result;
}

// Expected -ln p in a sentence of the word that comes `words` words after one of the weighted
// states, given only those words. Word classes stand for words: within a class all lead the same
// way.
double AgreementGrammar::window_loss(const Weights& weights, int words) const {
  std::map<size_t, Weights> after;  // by word class; the end token, always certain, costs nothing
  std::map<size_t, double> mass;
  double total = 0;
  for (const auto& [state, weight] : weights) {
    total += weight;
    for (const Arc& arc : states_[state]) {
      after[arc.word_class][arc.next] += weight * arc.probability;
      mass[arc.word_class] += weight * arc.probability;
    }
  }
  double loss = 0;
  for (const auto& [word_class, m] : mass)
    loss += words > 0 ? window_loss(after[word_class], words - 1)
                      : m * (classes_[word_class].entropy - std::log(m / total));
  return loss;
}

double AgreementGrammar::window_entropy(int window) const {
  require<ValueError>(window >= 1, "window_entropy: window ", window, ", expected 1 or more");
  double loss = window_loss(visits_, window);
  for (int words = 0; words < window; ++words)  // the begin token is in the window
    loss += window_loss({{states_.size() - 1, 1.0}}, words);
  return loss / entropy().tokens_per_sentence;
}

ZipfSource::ZipfSource(int64_t types, double mean_words)
    : mean_words_(mean_words), repeat_((mean_words - 1) / (mean_words + 2)) {
  require<ValueError>(types >= 1, "zipf: ", types, " word types, expected at least 1");
  require<ValueError>(mean_words >= 1 && mean_words <= 1e4, "zipf: ", mean_words,
                      " words in the mean sentence, expected 1 to 10000");
  double sum = 0;
  for (int64_t r = 1; r <= types; ++r) cumulative_.push_back(sum += 1 / static_cast<double>(r));
}

std::vector<std::string> ZipfSource::sample(Rng& rng) const {
  size_t length = 1;
  for (int run = 0; run < 3; ++run)
    while (rng.uniform() < repeat_) ++length;
  std::vector<std::string> sentence;
  while (sentence.size() < length) {
    const double u = rng.uniform() * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, u);
    sentence.push_back('w' + std::to_string(found - cumulative_.begin() + 1));
  }
  return sentence;
}

double ZipfSource::log_length_probability(double n) const {
  const double more = n > 1 ? (n - 1) * std::log(repeat_) : 0;
  return std::log(n * (n + 1) / 2) + more + 3 * std::log1p(-repeat_);
}

std::optional<double> ZipfSource::log_probability(std::span<const std::string> sentence) const {
  if (sentence.empty() || (sentence.size() > 1 && repeat_ == 0)) return {};
  double sum = log_length_probability(static_cast<double>(sentence.size()));
  for (const std::string& word : sentence) {
    size_t rank = 0;
    const char* const end = word.data() + word.size();
    if (word.size() < 2 || word[0] != 'w' || word[1] == '0') return {};
    const auto [stop, error] = std::from_chars(word.data() + 1, end, rank);
    if (error != std::errc{} || stop != end || rank > cumulative_.size()) return {};
    sum -= std::log(static_cast<double>(rank) * cumulative_.back());
  }
  return sum;
}

Entropy ZipfSource::entropy() const {
  const double total = cumulative_.back();
  double word = std::log(total), length = 0, mass = 0;
  for (size_t r = 1; r <= cumulative_.size(); ++r)
    word += std::log(static_cast<double>(r)) / (static_cast<double>(r) * total);
  for (double n = 1; mass < 1 - 1e-14 && n < 100 * mean_words_; ++n) {
    const double log_p = log_length_probability(n);
    mass += std::exp(log_p);
    length -= std::exp(log_p) * log_p;
    if (repeat_ == 0) break;
  }
  return {mean_words_ * word + length, mean_words_ + 1};
}

std::unique_ptr<Source> make_source(std::string_view name, int64_t types) {
  if (name == "agreement") return std::make_unique<AgreementGrammar>();
  if (name == "zipf") return std::make_unique<ZipfSource>(types);
  fail<ValueError>("corpus '", name, "' is not built in (expected agreement or zipf)");
}

Corpus generate(const Source& source, int64_t sentences, uint64_t seed, int64_t first) {
  Corpus corpus;
  for (int64_t i = first; i < first + sentences; ++i) {
    // Streams of their own: a model initialised from the same seed draws other numbers.
    Rng rng(seed, (uint64_t{1} << 62) + static_cast<uint64_t>(i));
    corpus.add(source.sample(rng));
  }
  return corpus;
}

std::optional<double> log_probability(const Source& source, const Corpus& corpus) {
  double sum = 0;
  for (int64_t i = 0; i < corpus.sentences(); ++i) {
    const auto log_p = source.log_probability(corpus.words(i));
    if (!log_p) return {};
    sum += *log_p;
  }
  return sum;
}

}  // namespace tapestry::lm
