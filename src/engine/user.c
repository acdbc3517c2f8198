#include "engine/user.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "sys/rootfs.h"

#define LINE_FIELDS_MAX 7
#define GROUPS_MAX      65536 /* the kernel's NGROUPS_MAX */

void user_identity_done(struct user_identity *u)
{
	free(u->groups);
	free(u->home);
	free(u->name);
	*u = (struct user_identity){ 0 };
}

/* The text of a database of the image; "" when there is none. */
static int read_database(int root_fd, const char *path, char **ret, struct err *err)
{
	AUTO_FD fd = rootfs_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	size_t len;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret = xstrdup("");
		return 0;
	}
	if (fd < 0)
		return err_sys(err, -fd, "open the image's '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat the image's '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "the image's '%s' is not a regular file", path);
	if (fd_read_all(fd, USER_FILE_MAX, ret, &len, err) < 0)
		return err_ctx(err, "read the image's '%s'", path);
	if (strlen(*ret) != len) {
		free(TAKE_PTR(*ret));
		return err_set(err, E_CORRUPT, "the image's '%s' contains NUL bytes", path);
	}
	return 0;
}

/* Cut `line` at its first `max` - 1 colons. Returns the number of fields. */
static size_t split_line(char *line, char **fields, size_t max)
{
	size_t n = 0;

	for (;;) {
		char *colon;

		fields[n++] = line;
		if (n == max)
			return n;
		colon = strchr(line, ':');
		if (!colon)
			return n;
		*colon = '\0';
		line = colon + 1;
	}
}

/* The next line of *text without its newline, or NULL. Consumes it. */
static char *next_line(char **text)
{
	char *line = *text;
	char *newline = strchr(line, '\n');

	if (!*line)
		return NULL;
	if (newline)
		*newline = '\0';
	*text = newline ? newline + 1 : line + strlen(line);
	return line;
}

static bool is_number(const char *s)
{
	size_t len = strspn(s, "0123456789");

	return len && !s[len];
}

static bool parse_id(const char *s, uint32_t *ret)
{
	uint32_t id;

	if (!is_number(s) || parse_u32(s, &id) < 0 || id > USER_ID_MAX)
		return false;
	*ret = id;
	return true;
}

/* Whether a line about `name` and `id` is the one wanted: by name (2), by number (1), or not. */
static int match(const char *want, const char *name, uint32_t id)
{
	uint32_t number;

	if (!strcmp(want, name))
		return 2;
	return parse_id(want, &number) && number == id;
}

/* Fill uid, gid, name and home from the first line with this name, else the first with this
 * number. Return whether there is one. */
static bool find_user(const char *passwd, const char *want, struct user_identity *u)
{
	AUTO_FREE char *copy = xstrdup(passwd);
	char *rest = copy, *line, *f[LINE_FIELDS_MAX];
	uint32_t uid, gid;
	int best = 0;

	while (best < 2 && (line = next_line(&rest))) {
		size_t n = split_line(line, f, LINE_FIELDS_MAX);
		int m;

		if (n < 4 || !parse_id(f[2], &uid) || !parse_id(f[3], &gid))
			continue;
		m = match(want, f[0], uid);
		if (m <= best)
			continue;
		best = m;
		free(u->name);
		free(u->home);
		u->uid = uid;
		u->gid = gid;
		u->name = xstrdup(f[0]);
		u->home = xstrdup(n > 5 ? f[5] : "");
	}
	return best > 0;
}

static bool find_group(const char *groups, const char *want, uint32_t *ret_gid)
{
	AUTO_FREE char *copy = xstrdup(groups);
	char *rest = copy, *line, *f[4];
	uint32_t gid;
	int best = 0;

	while (best < 2 && (line = next_line(&rest))) {
		int m;

		if (split_line(line, f, ARRAY_LEN(f)) < 3 || !parse_id(f[2], &gid))
			continue;
		m = match(want, f[0], gid);
		if (m > best) {
			best = m;
			*ret_gid = gid;
		}
	}
	return best > 0;
}

static void add_group(struct user_identity *u, uint32_t gid)
{
	for (size_t i = 0; i < u->group_count; i++)
		if (u->groups[i] == gid)
			return;
	VEC_PUSH(u->groups, u->group_count, gid);
}

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (*list) {
		size_t item = strcspn(list, ",");

		if (item == len && !strncmp(list, name, len))
			return true;
		list += item + (list[item] == ',');
	}
	return false;
}

/* Groups that list the user as a member. */
static void add_memberships(const char *groups, struct user_identity *u)
{
	AUTO_FREE char *copy = xstrdup(groups);
	char *rest = copy, *line, *f[4];
	uint32_t gid;

	if (!*u->name)
		return;
	while ((line = next_line(&rest)) && u->group_count < GROUPS_MAX)
		if (split_line(line, f, ARRAY_LEN(f)) == 4 && parse_id(f[2], &gid) &&
		    list_has(f[3], u->name))
			add_group(u, gid);
}

static int resolve_user(const char *passwd, const char *want, struct user_identity *u,
                        struct err *err)
{
	if (find_user(passwd, want, u))
		return 0;
	if (parse_id(want, &u->uid))
		return 0;
	if (is_number(want))
		return err_set(err, E_INVALID, "user '%s': ids go from 0 to %u", want, USER_ID_MAX);
	return err_set(err, E_NOT_FOUND, "no user '%s' in the image's /etc/passwd", want);
}

static int resolve_group(const char *groups, const char *want, uint32_t *ret, struct err *err)
{
	if (find_group(groups, want, ret) || parse_id(want, ret))
		return 0;
	if (is_number(want))
		return err_set(err, E_INVALID, "group '%s': ids go from 0 to %u", want,
		               USER_ID_MAX);
	return err_set(err, E_NOT_FOUND, "no group '%s' in the image's /etc/group", want);
}

static int resolve(const char *passwd, const char *groups, const char *user, const char *group,
                   const struct strv *group_add, struct user_identity *u, struct err *err)
{
	uint32_t gid;

	if (resolve_user(passwd, user, u, err) < 0)
		return -1;
	u->name = u->name ?: xstrdup("");
	if (group && resolve_group(groups, group, &u->gid, err) < 0)
		return -1;
	/* the primary group is listed too: a process must not lose it by setgid programs
	 * (CVE-2022-36109) */
	add_group(u, u->gid);
	if (!group)
		add_memberships(groups, u);
	for (size_t i = 0; group_add && i < group_add->len; i++) {
		if (resolve_group(groups, group_add->items[i], &gid, err) < 0)
			return err_ctx(err, "--group-add '%s'", group_add->items[i]);
		add_group(u, gid);
	}
	/* what is not an absolute path cannot be a home */
	if (!u->home || u->home[0] != '/') {
		free(u->home);
		u->home = xstrdup("/");
	}
	return 0;
}

int user_lookup_in(const char *passwd, const char *groups, const char *spec,
                   const struct strv *group_add, struct user_identity *ret, struct err *err)
{
	AUTO_FREE char *user = xstrdup(spec ? spec : "");
	AUTO(user_identity_done) struct user_identity u = { 0 };
	char *group = strchr(user, ':');

	if (group) {
		*group++ = '\0';
		if (!*group || strchr(group, ':'))
			return err_set(err, E_INVALID, "user '%s': expected USER[:GROUP]", spec);
	}
	if (resolve(passwd, groups, *user ? user : "0", group, group_add, &u, err) < 0)
		return -1;
	*ret = u;
	u = (struct user_identity){ 0 };
	return 0;
}

int user_lookup(int root_fd, const char *spec, const struct strv *group_add,
                struct user_identity *ret, struct err *err)
{
	AUTO_FREE char *passwd = NULL;
	AUTO_FREE char *groups = NULL;

	if (read_database(root_fd, "/etc/passwd", &passwd, err) < 0 ||
	    read_database(root_fd, "/etc/group", &groups, err) < 0)
		return -1;
	return user_lookup_in(passwd, groups, spec, group_add, ret, err);
}
