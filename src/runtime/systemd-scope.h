/* The systemd cgroup manager: a transient scope unit for each container, made by asking systemd
 * over D-Bus. What systemd has a property for is set there, so that it does not undo it; then
 * everything is written into the scope's cgroup as with the cgroupfs manager. */
#pragma once
#include "codec/dbus.h"
#include "oci/spec.h"
#include <sys/types.h>

struct scope {
	char *unit;  /* "libpod-ID.scope"; NULL: none, the cgroupfs manager */
	char *slice; /* "machine.slice" */
	bool user;   /* of the user's systemd, not the system's */
};

void scope_done(struct scope *s);
/* Whether this process has to ask its user's systemd: root of a user namespace is an ordinary user,
 * too. */
bool scope_is_users(void);
/* linux.cgroupsPath "SLICE:PREFIX:NAME", or by id where there is none. */
int scope_plan(struct scope *ret, const char *cgroups_path, const char *id, struct err *err);
/* Make it, with the process in it. */
int scope_start(const struct scope *s, pid_t pid, const struct oci_spec *spec, struct err *err);
/* Where it has put the process (0: this one), the same in every hierarchy. The caller frees; NULL
 * on failure. */
char *scope_cgroup(pid_t pid, struct err *err);
/* Stop the unit and forget its failure. One that is gone is fine. */
int scope_stop(const char *unit, bool user, struct err *err);
int scope_update(const char *unit, bool user, const struct oci_resources *r, struct err *err);
/* Move a process into it, where the kernel does not let us: as an ordinary user from outside. */
int scope_attach(const char *unit, bool user, pid_t pid, struct err *err);

/* systemd-props.c */
/* The properties that stand for these limits, as items of an open array a(sv). */
int scope_put_resources(struct dbus_writer *w, const struct oci_resources *r, struct err *err);
/* Annotations org.systemd.property.NAME, for the names that only say how the scope is accounted,
 * ordered to its end or collected (CVE-2024-3154). */
int scope_put_annotations(struct dbus_writer *w, const struct oci_spec *spec, struct err *err);
void scope_put_string(struct dbus_writer *w, const char *name, const char *value);
void scope_put_bool(struct dbus_writer *w, const char *name, bool value);
