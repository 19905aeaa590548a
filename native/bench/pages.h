// What the target writes into its memory and what the verifier expects in the image files. One header, so that the two cannot
// drift apart. C and not C++: compiled by `cc` on the user's host at first use, without any library.
//
// Every page that is not zero begins with a generation word. A running target makes pages dirty by writing a new generation, page
// after page in address order. So at any instant the generations are G G G G-1 G-1 G-1: a dump is a consistent cut of the memory
// exactly when it shows one such step at most. All other words never change and are under a digest.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { kPageBytes = 4096, kPageWords = kPageBytes / 8 };

static inline uint64_t rotate_left(uint64_t x, int n) { return (x << n) | (x >> (64 - n)); }

// The round and the primes of XXH64, four lanes: 8 to 12 GB/s on one core, so that a digest costs less than the dump it checks.
static const uint64_t kPrime1 = 0x9E3779B185EBCA87u, kPrime2 = 0xC2B2AE3D27D4EB4Fu, kPrime3 = 0x165667B19E3779F9u;

static inline uint64_t digest_round(uint64_t lane, uint64_t word) {
  return rotate_left(lane + word * kPrime2, 31) * kPrime1;
}

// Of all words but the generation.
static inline uint64_t page_digest(const uint64_t *page) {
  uint64_t a = digest_round(kPrime1, 0), b = digest_round(kPrime2, page[1]);
  uint64_t c = digest_round(kPrime3, page[2]), d = digest_round(0, page[3]);
  for (size_t i = 4; i < kPageWords; i += 4) {
    a = digest_round(a, page[i]);
    b = digest_round(b, page[i + 1]);
    c = digest_round(c, page[i + 2]);
    d = digest_round(d, page[i + 3]);
  }
  const uint64_t mixed = rotate_left(a, 1) + rotate_left(b, 7) + rotate_left(c, 12) + rotate_left(d, 18);
  return (mixed ^ (mixed >> 29)) * kPrime3;
}

// Adds a page to the digest of an arena. The index makes a page that moved as visible as one that changed.
static inline uint64_t arena_digest(uint64_t digest, uint64_t page, uint64_t index) {
  return rotate_left(digest ^ (page + index * kPrime3), 27) * kPrime1 + kPrime2;
}

// The generations seen so far in address order; a zero page has none.
struct Cut {
  uint64_t first, last;
  int steps, broken;
};

static inline void cut_add(struct Cut *cut, uint64_t generation) {
  if (generation == 0) return;
  if (cut->first == 0) cut->first = cut->last = generation;
  if (generation == cut->last) return;
  if (generation + 1 != cut->last || ++cut->steps > 1) cut->broken = 1;
  cut->last = generation;
}

// SplitMix64: small, and fast enough that filling is bound by the page faults.
static inline uint64_t split_mix(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
