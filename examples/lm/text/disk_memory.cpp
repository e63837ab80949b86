#include <fcntl.h>
#include <sys/mman.h>
#include <tapestry/examples/lm/text/disk_memory.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace tapestry::lm {
namespace {

std::string directory() {
  const char* const set = std::getenv("TMPDIR");
  return set && *set ? set : "/var/tmp";  // /tmp may be memory
}

/// A new file that goes away when it is closed; negative where there is none to be had.
int open_unnamed() {
  const int fd = ::open(directory().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = directory() + "/tapestry-XXXXXX";  // not every file system knows O_TMPFILE
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

class DiskMemory : public std::pmr::memory_resource {
  static constexpr size_t kSmall = size_t{1} << 16;  // what stays in memory

  void* do_allocate(size_t bytes, size_t alignment) override {
    if (bytes < kSmall) return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    const int fd = open_unnamed();
    // Without its blocks a full disk would end the program when a page is written.
    const int error = fd < 0 ? errno : ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
    void* out = MAP_FAILED;
    if (error == 0) out = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int reason = error ? error : errno;
    if (fd >= 0) ::close(fd);
    if (out == MAP_FAILED)
      throw FileError(
          message_of("write: ", directory(), ": ", std::generic_category().message(reason),
                     " (--stream needs room there; name another directory in TMPDIR)"),
          FileError::While::writing, reason);
    return out;
  }
  void do_deallocate(void* p, size_t bytes, size_t alignment) override {
    if (bytes < kSmall)
      std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
    else
      ::munmap(p, bytes);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

std::pmr::memory_resource* disk_memory() {
  static DiskMemory memory;
  return &memory;
}

}  // namespace tapestry::lm
