#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/text/disk_memory.h>
#include <tapestry/examples/lm/training/checkpoint.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {
namespace {

constexpr uint64_t kCorpusSeed = 1;                 // what `lm synth` draws by default
constexpr int64_t kHeldOutFrom = int64_t{1} << 40;  // held-out sentences, whatever --size is

struct Parts {
  Corpus train, valid;
};

Parts read_files(const InputSettings& in) {
  std::pmr::memory_resource* const memory =
      in.stream > 0 ? disk_memory() : std::pmr::get_default_resource();
  Corpus all = read_sentences(in.files, in.text, memory);
  if (!in.valid.empty()) {
    TextSettings text = in.text;
    text.max_sentences = 0;
    return {std::move(all), read_sentences(in.valid, text, memory)};
  }
  if (in.valid_split == 0) return {std::move(all), {}};
  Parts parts{memory, memory};
  parts.train.notes = all.notes;
  for (int64_t i = 0; i < all.sentences(); ++i) {
    const auto words = all.words(i);
    (hash_fraction(words) < in.valid_split ? parts.valid : parts.train).add(words);
  }
  if (parts.train.sentences() == 0) std::swap(parts.train, parts.valid);
  return parts;
}

Parts draw(const Source& source, const InputSettings& in) {
  const int64_t size =
      in.text.max_sentences > 0 ? std::min(in.size, in.text.max_sentences) : in.size;
  const auto held_out = static_cast<int64_t>(std::ceil(static_cast<double>(size) * in.valid_split));
  return {generate(source, size, kCorpusSeed),
          generate(source, held_out, kCorpusSeed, kHeldOutFrom)};
}

}  // namespace

double hash_fraction(std::span<const std::string> sentence) {
  uint64_t h = 14695981039346656037u;  // FNV-1a
  for (const std::string& word : sentence)
    for (const char c : word + ' ') h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
  h ^= h >> 32;
  h *= 0x9E3779B97F4A7C15u;  // FNV's high bits are weak
  return static_cast<double>(h >> 11) * 0x1p-53;
}

std::optional<double> floor_of(const Source& source, const Corpus& corpus) {
  const auto log_p = log_probability(source, corpus);
  if (!log_p || corpus.sentences() == 0) return {};
  return -*log_p / static_cast<double>(corpus.tokens() + corpus.sentences());
}

uint64_t Data::fingerprint() const {
  uint64_t h = 0;
  for (const EncodedCorpus* part : {&train, &valid}) {
    h = hash_bytes(part->ids.data(), part->ids.size() * sizeof(int32_t), h);
    h = hash_bytes(part->offsets.data(), part->offsets.size() * sizeof(int64_t), h);
  }
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary.token(id);
    h = hash_bytes(token.data(), token.size(), h);
  }
  return h;
}

Data read_data(const InputSettings& in) {
  constexpr int64_t kSpecialTokens = 3;
  const auto source =
      in.corpus.empty()
          ? nullptr
          : make_source(in.corpus, std::max<int64_t>(1, in.vocab_size - kSpecialTokens));
  const Parts parts = source ? draw(*source, in) : read_files(in);
  const Vocabulary vocabulary = in.vocab.empty()
                                    ? Vocabulary::build(parts.train, in.vocab_size, in.min_count)
                                    : Vocabulary::load(in.vocab);
  // Made in place: an assignment would copy them into other memory.
  Data data{vocabulary, vocabulary.encode(parts.train), vocabulary.encode(parts.valid)};
  data.notes = parts.train.notes;
  data.notes.insert(data.notes.end(), parts.valid.notes.begin(), parts.valid.notes.end());
  if (!source) return data;
  data.entropy = source->entropy().per_token();
  // To guess that a word is unknown is easier than to guess the word.
  if (data.train.oov == 0) data.train_floor = floor_of(*source, parts.train);
  if (data.valid.oov == 0) data.valid_floor = floor_of(*source, parts.valid);
  return data;
}

}  // namespace tapestry::lm
