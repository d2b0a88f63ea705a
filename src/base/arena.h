/* Memory that is freed all at once: parsed files live in one. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;  /* bytes handed out */
    size_t limit; /* bytes it will ever hand out; 0: no limit */
};

static inline void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
}
void arena_deinit(struct arena *);
/* Zeroed, aligned for any type; NULL when out of memory or beyond the limit. */
void *arena_allocate(struct arena *, size_t size);
/* count * size with the product checked. */
void *arena_array(struct arena *, size_t count, size_t size);
/* A copy with a final zero byte; NULL when out of memory. */
char *arena_text(struct arena *, struct span text);

#endif
