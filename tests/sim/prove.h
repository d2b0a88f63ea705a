/* The proof that the checkers see: every planted bug is caught by a checker, and every checker catches one. */
#ifndef TESTS_SIM_PROVE_H
#define TESTS_SIM_PROVE_H

#include <stdbool.h>

/* Plays scenarios with each bug in turn until a checker complains, at most 200 seeds. Returns 0 when all were
 * caught, 1 otherwise, 2 when this build has no bugs in it. */
int prove_run(int workers, bool quiet);

#endif
