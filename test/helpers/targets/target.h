// What every target program shares: a clean start, a control socket, page patterns.
//
// A target is asked over a listening unix socket: one line in, one line out, connection closed. Between two questions
// nothing of the asker is left in the tree, so the socket never stands in the way of a dump, and the path is bound again
// by CRIU at restore.
#pragma once
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096UL
#define WORDS (PAGE / sizeof(uint64_t))

#define REPLY_SIZE 16384

// Answers `request`; whatever it prints to `reply` (REPLY_SIZE bytes) is sent back.
typedef void (*answer_fn)(const char *request, FILE *reply);

// Dies with errno and the name of what failed, into stderr and the exit status 99.
_Noreturn void die(const char *what);
#define MUST(expression)                          \
  ({                                              \
    __typeof__(expression) result_ = (expression); \
    if (result_ == (__typeof__(expression))-1) die(#expression); \
    result_;                                      \
  })

// Closes every fd above 2, including those that a careless ancestor left open.
void clean_start(void);

// Listens at `path`; the fd is close-on-exec.
int control_listen(const char *path);
// Answers one question that waits on `listener`. `pid` is answered here, and `exit N`, which ends the task with that status.
void control_answer(int listener, answer_fn answer);
// Answers for ever.
_Noreturn void control_serve(const char *path, answer_fn answer);

// splitmix64: the contents of word `word` of page `page` in generation `generation`.
uint64_t pattern(uint64_t page, uint64_t generation, uint64_t word);
// FNV-1a by words.
uint64_t digest(uint64_t seed, const void *from, size_t bytes);
#define DIGEST_SEED 0xcbf29ce484222325UL

double now(void);
void sleep_ms(long ms);

// Copies what is there to read, if anything; 0 at the end of the input.
int carry(const struct pollfd *from, int to);
