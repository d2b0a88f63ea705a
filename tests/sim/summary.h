/* What came of a run, for people and for programs. */
#ifndef TESTS_SIM_SUMMARY_H
#define TESTS_SIM_SUMMARY_H

#include "scenario.h"

void summary_print(const struct run *, FILE *out);
void summary_print_json(const struct run *, FILE *out);
/* The completion curves as a drawing: how much of the torrent the last, the average and the first of those
 * who have to finish have, how many are complete, and the lower bound. False: it cannot be written. */
bool summary_draw(const struct run *, const char *path);
/* The last finish in parts of the lower bound; 0: there is no bound, or not everybody finished. */
double summary_of_bound(const struct outcome *);

#endif
