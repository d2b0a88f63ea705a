/* The same run once more, with its memory at other places. */
#ifndef TESTS_SIM_REPEAT_H
#define TESTS_SIM_REPEAT_H

#include "scenario.h"

/* Plays a run that has ended a second time; the same log hash: true. How the heap is laid out differently follows
 * from the run's seed. */
bool repeat_run(const struct run *, struct outcome *again);

#endif
