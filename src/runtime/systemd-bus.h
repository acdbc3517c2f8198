/* A connection to systemd's manager: the messages of codec/dbus.h over a unix socket, one call at a
 * time. Own code, since the runtime is static and loads no library (docs/adr). */
#pragma once
#include "base/err.h"
#include "codec/dbus.h"
#include <stdbool.h>

struct bus {
	int fd;
	bool brokered; /* through a bus daemon, not to systemd itself */
	uint32_t serial;
	int64_t deadline_ms; /* of the whole conversation */
	struct strbuf in;    /* bytes that arrived; the message handed out is at its start */
	size_t used;         /* of them: that message */
};

#define BUS_INIT ((struct bus){ .fd = -1, .in = STRBUF_INIT })
#define AUTO_BUS __attribute__((cleanup(bus_done))) struct bus
void bus_done(struct bus *b);

/* user: the manager of the user whom this process runs as, else the system's. */
int bus_connect(struct bus *b, bool user, struct err *err);
/* Begin a call of a method of systemd's manager; the caller puts the arguments. */
void bus_begin(struct bus *b, struct dbus_writer *w, const char *method, const char *signature);
/* Send it and wait for the answer, which stays valid until the next call here. What systemd refuses
 * is E_EXISTS, E_NOT_FOUND, E_PERM or E_IO, with its words. */
int bus_call(struct bus *b, struct dbus_writer *w, struct dbus_message *ret, struct err *err);
/* Before a call that makes a job: ask for the signal that says its end. */
int bus_watch_jobs(struct bus *b, struct err *err);
/* Wait for the end of the job that `reply` names. E_IO when it ended in another way than done. */
int bus_wait_job(struct bus *b, const struct dbus_message *reply, struct err *err);
