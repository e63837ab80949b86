#pragma once
// Memory for arrays that may be larger than the machine's: files without a name in $TMPDIR (else
// /var/tmp), mapped. What is not in use, the system moves to the disk by itself; what is used in
// order, it reads ahead.

#include <memory_resource>

namespace tapestry::lm {

/// Throws FileError where the disk is full, before anything is written.
std::pmr::memory_resource* disk_memory();

}  // namespace tapestry::lm
