#include <fmt/format.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/training/ranks_report.h>

#include <algorithm>
#include <cstdlib>

namespace tapestry::lm {
namespace {

/// A count in the environment; 0 where there is none.
long count_in(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::strtol(value, nullptr, 10) : 0;
}

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

std::string describe_ranks(const ParallelSettings& p, int ranks) {
  const std::string each =
      fmt::format("{} of {} worker{}", ranks, p.workers, p.workers == 1 ? "" : "s");
  if (p.between == Between::sync) return each + ", sync: one update by all gradients";
  std::string outer = p.outer == OuterStep::sum         ? "sum"
                      : p.outer == OuterStep::diversity ? "sum by diversity"
                                                        : "average";
  if (p.outer == OuterStep::momentum)
    outer += fmt::format(" with momentum {:g}, rate {:g},", p.outer_momentum, p.outer_rate);
  return fmt::format("{}, local: {} of changes every {} tokens, by {}", each, outer,
                     p.exchange_every, p.exchange_by_items ? "items" : "time");
}

std::string ranks_table(std::span<const RankStats> ranks) {
  if (ranks.empty()) return "";
  std::string out =
      fmt::format("{:>4} {:>10} {:>9} {:>11} {:>7} {:>7} {:>8} {:>8} {:>9}\n", "rank", "tokens",
                  "compute s", "communic. s", "wait s", "rounds", "MB out", "MB in", "staleness");
  for (size_t r = 0; r < ranks.size(); ++r) {
    const RankStats& s = ranks[r];
    out +=
        fmt::format("{:>4} {:>10} {:>9.2f} {:>11.2f} {:>7.2f} {:>7} {:>8.1f} {:>8.1f} {:>9.1f}\n",
                    r, s.tokens, s.compute_seconds, s.communicate_seconds, s.wait_seconds, s.rounds,
                    megabytes(s.bytes_out), megabytes(s.bytes_in), s.staleness());
  }
  return out;
}

app::Json ranks_json(std::span<const RankStats> ranks) {
  app::Json out = app::Json::array();
  for (const RankStats& s : ranks)
    out.push_back({{"tokens", s.tokens},
                   {"items", s.items},
                   {"updates", s.updates},
                   {"compute_seconds", s.compute_seconds},
                   {"communicate_seconds", s.communicate_seconds},
                   {"wait_seconds", s.wait_seconds},
                   {"rounds", s.rounds},
                   {"bytes_out", s.bytes_out},
                   {"bytes_in", s.bytes_in},
                   {"staleness", s.staleness()}});
  return out;
}

void notice_lone_ranks(const Cluster& cluster) {
  if (cluster.several()) return;
  if (const long n = count_in("OMPI_COMM_WORLD_SIZE"); n > 1 && !cluster.communicator())
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("mpirun started {} processes, but this lm knows no MPI", n),
                         "build it with -DTAPESTRY_MPI=ON, or use ./run cluster");
  const long slurm = std::max(count_in("SLURM_NTASKS"), count_in("PMI_SIZE"));
  if (slurm > 1)
    app::warn("lm", fmt::format("Slurm has {} tasks, but this process trains alone{}; srun needs "
                                "--mpi=pmix (srun --mpi=list), or start it by mpirun",
                                slurm, cluster.communicator() ? "" : " and knows no MPI"));
}

}  // namespace tapestry::lm
