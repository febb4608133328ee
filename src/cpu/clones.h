// RUSHLIGHT_CLONES before a function: compiled once per instruction set, chosen when the library is loaded (which is
// before ThreadSanitizer can run). For loops that stand alone; the kernels of whole families have their own files
// instead.
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) && \
    (!defined(__clang__) || __clang_major__ >= 17)
#define RUSHLIGHT_CLONES [[gnu::target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")]]
#else
#define RUSHLIGHT_CLONES
#endif
