/* Many runs on several processes: each worker plays one run after the other, so that a crash takes one run
 * with it and is a finding like any other. */
#ifndef TESTS_SIM_FLEET_H
#define TESTS_SIM_FLEET_H

#include "plants.h"
#include "scenario.h"

struct job {
    const struct scenario *scenario;
    uint64_t seed;
    struct settings_of_run set;
    enum plant plant;
    bool twice; /* and compare */
    int tag;    /* the caller's */
};

struct fleet {
    int workers;
    int timeout_s; /* of one job: then its worker is killed */
    /* The next job; false: there is none at present. */
    bool (*next)(void *user, struct job *);
    void (*done)(void *user, const struct job *, const struct outcome *);
    void *user;
};

/* Until there is no job left. What a worker that died had said stands in the verdict. */
void fleet_run(const struct fleet *);

#endif
