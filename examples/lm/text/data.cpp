#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/text/disk_memory.h>
#include <tapestry/examples/lm/training/checkpoint.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {
namespace {

constexpr uint64_t kCorpusSeed = 1;                 // what `lm synth` draws by default
constexpr int64_t kHeldOutFrom = int64_t{1} << 40;  // held-out sentences, whatever --size is

/// A text to train on and one to be judged by: two corpora, or the sides of one.
struct Text {
  Corpus first, second;
  std::vector<bool> held_out = {};  // of the sentences of `first`, where it is both

  Part train() const { return held_out.empty() ? Part(first) : Part(first, held_out, false); }
  Part valid() const { return held_out.empty() ? Part(second) : Part(first, held_out, true); }
};

Text read_files(const InputSettings& in) {
  std::pmr::memory_resource* const memory =
      in.stream > 0 ? disk_memory() : std::pmr::get_default_resource();
  Text text{read_sentences(in.files, in.text, memory), memory};
  if (!in.valid.empty()) {
    TextSettings settings = in.text;
    settings.max_sentences = 0;
    text.second = read_sentences(in.valid, settings, memory);
  } else if (in.valid_split > 0) {
    const int64_t sentences = text.first.sentences();
    for (int64_t i = 0; i < sentences; ++i)
      text.held_out.push_back(hash_fraction(text.first, i) < in.valid_split);
    // What is all that there is, is trained on.
    if (std::find(text.held_out.begin(), text.held_out.end(), false) == text.held_out.end())
      text.held_out.clear();
  }
  if (!text.first.pieces.empty())
    text.first.notes.push_back(
        "a piece of a long line is learnt without memory of the one before it (to carry that on: "
        "--state stream --bptt-mode chunk --bptt 35)");
  return text;
}

Text draw(const Source& source, const InputSettings& in) {
  const int64_t size =
      in.text.max_sentences > 0 ? std::min(in.size, in.text.max_sentences) : in.size;
  const auto held_out = static_cast<int64_t>(std::ceil(static_cast<double>(size) * in.valid_split));
  return {generate(source, size, kCorpusSeed),
          generate(source, held_out, kCorpusSeed, kHeldOutFrom)};
}

uint64_t fingerprint_of(const Data& data) {
  uint64_t h = 0;
  for (const EncodedCorpus* part : {&data.train, &data.valid}) {
    h = hash_bytes(part->ids.data(), part->ids.size() * sizeof(int32_t), h);
    h = hash_bytes(part->offsets.data(), part->offsets.size() * sizeof(int64_t), h);
  }
  for (int32_t id = 0; id < data.vocabulary.size(); ++id) {
    const std::string& token = data.vocabulary.token(id);
    h = hash_bytes(token.data(), token.size(), h);
  }
  return h;
}

}  // namespace

double hash_fraction(const Corpus& corpus, int64_t sentence) {
  uint64_t h = 14695981039346656037u;  // FNV-1a
  const auto add = [&](char c) { h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u; };
  for (const int32_t id : corpus.sentence(sentence)) {
    for (const char c : corpus.types.token(id)) add(c);
    add(' ');
  }
  h ^= h >> 32;
  h *= 0x9E3779B97F4A7C15u;  // FNV's high bits are weak
  return static_cast<double>(h >> 11) * 0x1p-53;
}

std::optional<double> floor_of(const Source& source, const Corpus& corpus) {
  const auto log_p = log_probability(source, corpus);
  if (!log_p || corpus.sentences() == 0) return {};
  return -*log_p / static_cast<double>(corpus.tokens() + corpus.sentences());
}

Data read_data(const InputSettings& in) {
  constexpr int64_t kSpecialTokens = 3;
  const auto source =
      in.corpus.empty()
          ? nullptr
          : make_source(in.corpus, std::max<int64_t>(1, in.vocab_size - kSpecialTokens));
  const Text text = source ? draw(*source, in) : read_files(in);
  Vocabulary vocabulary = in.vocab.empty()
                              ? Vocabulary::build(text.train(), in.vocab_size, in.min_count)
                              : Vocabulary::load(in.vocab);
  // Made in place: an assignment would copy them into other memory.
  EncodedCorpus train = vocabulary.encode(text.train()), valid = vocabulary.encode(text.valid());
  Data data{std::move(vocabulary), std::move(train), std::move(valid)};
  data.notes = text.first.notes;
  data.notes.insert(data.notes.end(), text.second.notes.begin(), text.second.notes.end());
  data.hash = fingerprint_of(data);
  if (!source) return data;
  data.entropy = source->entropy().per_token();
  // To guess that a word is unknown is easier than to guess the word.
  if (data.train.oov == 0) data.train_floor = floor_of(*source, text.first);
  if (data.valid.oov == 0) data.valid_floor = floor_of(*source, text.second);
  return data;
}

}  // namespace tapestry::lm
