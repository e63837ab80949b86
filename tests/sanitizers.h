#pragma once
// Which sanitizers watch this program, for GCC, which defines macros, and clang, which has
// features.

#ifdef __has_feature
#define TAPESTRY_HAS_FEATURE(name) __has_feature(name)
#else
#define TAPESTRY_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_THREAD__) || TAPESTRY_HAS_FEATURE(thread_sanitizer)
#define TAPESTRY_TSAN
#endif
#if defined(__SANITIZE_ADDRESS__) || TAPESTRY_HAS_FEATURE(address_sanitizer)
#define TAPESTRY_ASAN
#endif
