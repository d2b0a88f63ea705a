/* spate tracker: a basic tracker, UDP and HTTP in front of one table in memory. */
#ifndef TRACKER_TRACKER_MAIN_H
#define TRACKER_TRACKER_MAIN_H

/* argv[0] is the name to show in messages. Runs until SIGINT or SIGTERM; returns the exit code of
 * the program: 0; 1: it could not start; 2: the arguments are wrong; 5: it could not listen. */
int tracker_main(int argc, char **argv);

#endif
