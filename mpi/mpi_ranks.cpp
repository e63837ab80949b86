#include <tapestry/mpi/mpi_ranks.h>

#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>

namespace tapestry {
namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail<Error>(call, ": ", text);
}

// Sizes go first, then what is not empty, in pieces that MPI sends at once: for larger ones it asks
// the receiver first, piece by piece, which over TCP costs up to half of the rate.
class MpiRank : public Communicator {
 public:
  MpiRank(int* argc, char*** argv) {
    int level = MPI_THREAD_SINGLE;
    check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
    require(level >= MPI_THREAD_FUNNELED,
            "MPI_Init_thread: this MPI allows no threads (MPI_THREAD_FUNNELED is needed)");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    sizes_out_.resize(static_cast<size_t>(size_));
    sizes_in_.resize(static_cast<size_t>(size_));
  }
  ~MpiRank() override {
    // MPI_Finalize spins until all have come: wait asleep for the last one first.
    std::vector<Bytes> none(static_cast<size_t>(size_)), more = none;
    if (std::uncaught_exceptions() == 0) exchange(*this, none, more);
    MPI_Finalize();
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void start(std::vector<Bytes>& out, std::vector<Bytes>& in) override {
    in_ = &in, sizes_known_ = false;
    requests_.clear(), tested_ = 0;
    for (size_t r = 0; r < out.size(); ++r) sizes_out_[r] = static_cast<int64_t>(out[r].size());
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      const auto k = static_cast<size_t>(r);
      receive(&sizes_in_[k], sizeof(int64_t), r, kSizes);
      send(&sizes_out_[k], sizeof(int64_t), r, kSizes);
      send(out[k].data(), out[k].size(), r, kBytes);
      bytes_out_ += sizes_out_[k];
    }
    std::swap(in[static_cast<size_t>(rank_)], out[static_cast<size_t>(rank_)]);
  }

  bool done() override {
    if (!sizes_known_) {
      for (; known_ < size_; ++known_)
        if (known_ != rank_ && !receive_from(known_)) return false;
      known_ = 0, sizes_known_ = true;
    }
    for (int failed = 0; tested_ < requests_.size();) {
      int flag = 0;
      check(MPI_Test(&requests_[tested_], &flag, MPI_STATUS_IGNORE), "MPI_Test");
      if (flag)
        ++tested_;
      else if (++failed == kTests)
        return false;
    }
    return true;
  }

  bool called() override {
    int flag = 0;
    check(MPI_Iprobe(MPI_ANY_SOURCE, kSizes, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE),
          "MPI_Iprobe");
    return flag != 0;
  }

  void abort(const std::string& why, int code) override {
    if (!why.empty()) std::fprintf(stderr, "rank %d: %s\n", rank_, why.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, code);
  }

 private:
  static constexpr int kSizes = 1, kBytes = 2;  // tags
  static constexpr int kTests = 8;              // each moves some pieces
  static constexpr size_t kPiece = size_t{1} << 15;

  /// Once the size of that rank's message is here, asks for the message.
  bool receive_from(int r) {
    int flag = 0;
    check(MPI_Test(&requests_[size_request(r)], &flag, MPI_STATUS_IGNORE), "MPI_Test");
    if (!flag) return false;
    const auto k = static_cast<size_t>(r);
    Bytes& message = (*in_)[k];
    message.resize(static_cast<size_t>(sizes_in_[k]));
    receive(message.data(), message.size(), r, kBytes);
    bytes_in_ += sizes_in_[k];
    return true;
  }

  void receive(void* to, size_t bytes, int from, int tag) {
    auto* at = static_cast<std::byte*>(to);
    if (tag == kSizes) size_requests_.resize(static_cast<size_t>(size_));
    if (tag == kSizes) size_requests_[static_cast<size_t>(from)] = requests_.size();
    for (size_t done = 0; done < bytes; done += kPiece) {
      const int n = static_cast<int>(std::min(kPiece, bytes - done));
      check(MPI_Irecv(at + done, n, MPI_BYTE, from, tag, MPI_COMM_WORLD, &requests_.emplace_back()),
            "MPI_Irecv");
    }
  }

  void send(const void* from, size_t bytes, int to, int tag) {
    const auto* at = static_cast<const std::byte*>(from);
    for (size_t done = 0; done < bytes; done += kPiece) {
      const int n = static_cast<int>(std::min(kPiece, bytes - done));
      check(MPI_Isend(at + done, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &requests_.emplace_back()),
            "MPI_Isend");
    }
  }

  size_t size_request(int r) const { return size_requests_[static_cast<size_t>(r)]; }

  int rank_ = 0, size_ = 1, known_ = 0;
  std::vector<Bytes>* in_ = nullptr;
  std::vector<int64_t> sizes_out_, sizes_in_;
  std::vector<MPI_Request> requests_;
  size_t tested_ = 0;                  // those before are done
  std::vector<size_t> size_requests_;  // where in requests_
  bool sizes_known_ = false;
};

}  // namespace

bool started_by_mpi() {
  constexpr const char* kNames[] = {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

std::unique_ptr<Communicator> mpi_ranks(int* argc, char*** argv) {
  return std::make_unique<MpiRank>(argc, argv);
}

}  // namespace tapestry
