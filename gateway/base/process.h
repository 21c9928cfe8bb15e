/*
 * process: what a process must be like before anything runs in it.
 *
 * Thread: the main thread, before there are others.
 */
#ifndef GATEWAY_BASE_PROCESS_H
#define GATEWAY_BASE_PROCESS_H

/*
 * Opens /dev/null as each of the three standard files that is missing: no other file may become
 * standard error, to which lines are logged and which a program inherits.
 */
void process_open_standard_files(void);

/*
 * For a daemon: no core dumps, files that nobody else may open, TLS keys in no file, as many descriptors
 * as allowed, and signals that do not end it.
 */
void process_prepare(void);

#endif
