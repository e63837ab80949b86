#include <fmt/format.h>
#include <tapestry/examples/lm/training/cluster.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry::lm {
namespace {

void put_text(Packer& to, const std::string& text) {
  to.put(text.size());
  to.put(std::span<const char>(text));
}

std::string get_text(Unpacker& from) {
  std::string out(from.get<size_t>(), '\0');
  from.get(std::span<char>(out));
  return out;
}

Bytes packed(const NamedTensors& in) {
  Bytes out;
  Packer packer(out);
  packer.put(in.metadata.size());
  for (const auto& [key, value] : in.metadata) put_text(packer, key), put_text(packer, value);
  packer.put(in.tensors.size());
  for (const auto& [name, tensor] : in.tensors) {
    put_text(packer, name);
    packer.put(tensor.dtype()), packer.put(tensor.rank());
    for (int i = 0; i < tensor.rank(); ++i) packer.put(tensor.size(i));
    const Tensor values = tensor.to_contiguous();
    dispatch_any(values.dtype(), [&](auto zero) { packer.put(values.read<decltype(zero)>()); });
  }
  return out;
}

NamedTensors unpacked(const Bytes& from) {
  Unpacker unpacker(from);
  NamedTensors out;
  for (auto n = unpacker.get<size_t>(); n > 0; --n) {
    const std::string key = get_text(unpacker);
    out.metadata[key] = get_text(unpacker);
  }
  for (auto n = unpacker.get<size_t>(); n > 0; --n) {
    const std::string name = get_text(unpacker);
    const auto dtype = unpacker.get<DType>();
    Shape shape;
    for (int i = 0, rank = unpacker.get<int>(); i < rank; ++i)
      shape = shape.with(i, unpacker.get<int64_t>());
    Tensor values = Tensor::empty(shape, dtype);
    dispatch_any(dtype, [&](auto zero) { unpacker.get(values.write<decltype(zero)>()); });
    out.tensors[name] = values;
  }
  return out;
}

}  // namespace

std::string Cluster::text_of_first(const std::string& mine) const {
  if (!several()) return mine;
  Bytes bytes;
  Packer packer(bytes);
  put_text(packer, mine);
  const Bytes all = broadcast(*ranks_, bytes);
  Unpacker unpacker(all);
  return get_text(unpacker);
}

std::optional<NamedTensors> Cluster::tensors_of_first(std::optional<NamedTensors> mine) const {
  if (!several()) return mine;
  const Bytes all = broadcast(*ranks_, first() && mine ? packed(*mine) : Bytes());
  if (first() || all.empty()) return mine;
  return unpacked(all);
}

void Cluster::require_same_text(uint64_t fingerprint) const {
  const std::vector<uint64_t> all = of_all(fingerprint);
  for (size_t r = 1; r < all.size(); ++r)
    if (all[r] != all[0])
      throw app::UserError(app::ExitCode::bad_data,
                           fmt::format("rank {} read another text than rank 0", r),
                           "give all machines the same files, or a file system that they share");
}

}  // namespace tapestry::lm
