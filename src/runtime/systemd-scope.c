#include "runtime/systemd-scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/xalloc.h"
#include "runtime/systemd-bus.h"
#include "sys/cgroup.h"

#define UNIT_NAME_MAX 255
#define NAME_CHARS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@"

void scope_done(struct scope *s)
{
	free(s->unit);
	free(s->slice);
	*s = (struct scope){ 0 };
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len && len <= UNIT_NAME_MAX && strspn(name, NAME_CHARS) == len;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len > n && strcmp(s + len - n, suffix) == 0;
}

bool scope_is_users(void)
{
	AUTO_FREE char *map = NULL;
	size_t len;

	return geteuid() != 0 ||
	       (file_read_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, &len, ERR_IGNORE) == 0 &&
	        !strstr(map, "4294967295"));
}

int scope_plan(struct scope *ret, const char *cgroups_path, const char *id, struct err *err)
{
	AUTO_STRV parts = STRV_INIT;
	const char *slice = "", *prefix = "dhow", *name = id;

	*ret = (struct scope){ .user = scope_is_users() };
	if (cgroups_path && *cgroups_path) {
		strv_split(&parts, cgroups_path, ':');
		if (parts.len != 3) {
			err_set(err, E_INVALID, "linux.cgroupsPath: '%s' is not SLICE:PREFIX:NAME",
			        cgroups_path);
			return err_hint(err, "that is its form with the systemd cgroup manager");
		}
		slice = parts.items[0];
		prefix = parts.items[1];
		name = parts.items[2];
	}
	if (!*slice)
		slice = ret->user ? "user.slice" : "system.slice";
	ret->slice = xstrdup(slice);
	ret->unit = xasprintf("%s%s%s.scope", prefix, *prefix ? "-" : "", name);
	if (name_is_valid(ret->unit) && name_is_valid(slice) && has_suffix(slice, ".slice") &&
	    *name && !has_suffix(name, ".slice"))
		return 0;
	err_set(err, E_INVALID, "linux.cgroupsPath: systemd has no unit '%.256s' in slice '%.256s'",
	        ret->unit, slice);
	scope_done(ret);
	return -1;
}

static void put_pids(struct dbus_writer *w, pid_t pid)
{
	size_t list = dbus_open_array(w, 4);

	dbus_put_u32(w, (uint32_t)pid);
	dbus_close_array(w, list, 4);
}

static int put_properties(struct dbus_writer *w, const struct scope *s, pid_t pid,
                          const struct oci_spec *spec, struct err *err)
{
	static const char *const on[] = { "Delegate", "MemoryAccounting", "CPUAccounting",
		                          "IOAccounting", "TasksAccounting" };

	scope_put_string(w, "Description", "a container of dhow-oci");
	scope_put_string(w, "Slice", s->slice);
	for (size_t i = 0; i < ARRAY_LEN(on); i++)
		scope_put_bool(w, on[i], true);
	scope_put_bool(w, "DefaultDependencies", false);
	if (!oci_spec_annotation(spec, "org.systemd.property.CollectMode"))
		scope_put_string(w, "CollectMode", "inactive-or-failed");
	dbus_open_struct(w);
	dbus_put_string(w, "PIDs");
	dbus_put_signature(w, "au");
	put_pids(w, pid);
	if (scope_put_resources(w, &spec->linux_.resources, err) < 0)
		return -1;
	return scope_put_annotations(w, spec, err);
}

static int start_once(struct bus *b, const struct scope *s, pid_t pid, const struct oci_spec *spec,
                      struct err *err)
{
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;
	size_t list;

	bus_begin(b, &w, "StartTransientUnit", "ssa(sv)a(sa(sv))");
	dbus_put_string(&w, s->unit);
	dbus_put_string(&w, "replace");
	list = dbus_open_array(&w, 8);
	if (put_properties(&w, s, pid, spec, err) < 0)
		return -1;
	dbus_close_array(&w, list, 8);
	list = dbus_open_array(&w, 8); /* no further units */
	dbus_close_array(&w, list, 8);
	return bus_call(b, &w, &m, err) < 0 ? -1 : bus_wait_job(b, &m, err);
}

static int reset_failed(struct bus *b, const char *unit, struct err *err)
{
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;

	bus_begin(b, &w, "ResetFailedUnit", "s");
	dbus_put_string(&w, unit);
	return bus_call(b, &w, &m, err);
}

int scope_start(const struct scope *s, pid_t pid, const struct oci_spec *spec, struct err *err)
{
	AUTO_BUS b = BUS_INIT;
	int r;

	if (bus_connect(&b, s->user, err) < 0 || bus_watch_jobs(&b, err) < 0)
		return -1;
	r = start_once(&b, s, pid, spec, err);
	/* A unit of this name that has failed is still known. */
	if (r < 0 && err->code == E_EXISTS && reset_failed(&b, s->unit, ERR_IGNORE) == 0)
		r = start_once(&b, s, pid, spec, err);
	return r < 0 ? err_ctx(err, "make the scope '%s'", s->unit) : 0;
}

char *scope_cgroup(pid_t pid, struct err *err)
{
	bool v2 = cgroup_layout_get()->mode == CGROUP_MODE_V2;
	AUTO_FREE char *path =
		pid ? xasprintf("/proc/%d/cgroup", pid) : xstrdup("/proc/self/cgroup");
	AUTO_FREE char *text = NULL;
	char *save = NULL, *found = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, path, 1u << 16, &text, &len, err) < 0)
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *at = list ? strchr(list + 1, ':') : NULL;

		if (!at)
			continue;
		*at++ = '\0';
		/* systemd's own hierarchy; without one (as in our tests) v2's */
		if (strcmp(list + 1, v2 ? "" : "name=systemd") == 0 && strcmp(at, "/") != 0)
			return xstrdup(at);
		if (!list[1])
			found = at;
	}
	if (found)
		return xstrdup(found);
	err_set(err, E_UNSUPPORTED, "the scope has no cgroup");
	return NULL;
}

int scope_stop(const char *unit, bool user, struct err *err)
{
	AUTO_BUS b = BUS_INIT;
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;
	struct err e = ERR_INIT;
	int r;

	if (bus_connect(&b, user, err) < 0 || bus_watch_jobs(&b, err) < 0)
		return -1;
	bus_begin(&b, &w, "StopUnit", "ss");
	dbus_put_string(&w, unit);
	dbus_put_string(&w, "replace");
	r = bus_call(&b, &w, &m, &e);
	if (r == 0)
		r = bus_wait_job(&b, &m, &e);
	/* Gone with its last process, as a rule. */
	if (r < 0 && e.code != E_NOT_FOUND) {
		*err = e;
		return err_ctx(err, "stop the scope '%s'", unit);
	}
	(void)reset_failed(&b, unit, ERR_IGNORE);
	return 0;
}

int scope_update(const char *unit, bool user, const struct oci_resources *r, struct err *err)
{
	AUTO_BUS b = BUS_INIT;
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;
	size_t list;

	if (bus_connect(&b, user, err) < 0)
		return -1;
	bus_begin(&b, &w, "SetUnitProperties", "sba(sv)");
	dbus_put_string(&w, unit);
	dbus_put_bool(&w, true); /* until the unit ends */
	list = dbus_open_array(&w, 8);
	if (scope_put_resources(&w, r, err) < 0)
		return -1;
	dbus_close_array(&w, list, 8);
	return bus_call(&b, &w, &m, err) < 0 ? err_ctx(err, "update the scope '%s'", unit) : 0;
}

int scope_attach(const char *unit, bool user, pid_t pid, struct err *err)
{
	AUTO_BUS b = BUS_INIT;
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;

	if (bus_connect(&b, user, err) < 0)
		return -1;
	bus_begin(&b, &w, "AttachProcessesToUnit", "ssau");
	dbus_put_string(&w, unit);
	dbus_put_string(&w, "");
	put_pids(&w, pid);
	return bus_call(&b, &w, &m, err) < 0 ? err_ctx(err, "enter the scope '%s'", unit) : 0;
}
