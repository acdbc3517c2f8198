#include "engine/disk-quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"

#define BLOCK_BYTES 1024 /* of struct if_dqblk (QIF_DQBLKSIZE) */
#define PROJECT_MIN 0x10000u
#define TRIES       16

#ifndef SYS_quotactl_fd
#	define SYS_quotactl_fd 443
#endif

static int quota_call(int fd, unsigned command, uint32_t id, void *arg)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, arg) < 0 ? -errno : 0;
}

int disk_quota_parse(const struct strv *storage_opt, struct disk_quota *ret, struct err *err)
{
	*ret = (struct disk_quota){ 0 };
	for (size_t i = 0; i < storage_opt->len; i++) {
		const char *text = storage_opt->items[i];

		if (!strncmp(text, "size=", 5)) {
			if (parse_size(text + 5, &ret->bytes) < 0 || ret->bytes < BLOCK_BYTES)
				return err_set(err, E_INVALID, "--storage-opt '%s': not a size",
				               text);
		} else if (!strncmp(text, "inodes=", 7)) {
			if (parse_u64(text + 7, &ret->inodes) < 0 || !ret->inodes)
				return err_set(err, E_INVALID, "--storage-opt '%s': not a count",
				               text);
		} else {
			err_set(err, E_INVALID, "--storage-opt '%s': no such option", text);
			return err_hint(err, "use size=BYTES or inodes=COUNT");
		}
	}
	return 0;
}

static int unsupported(const struct engine *e, const char *why, struct err *err)
{
	err_set(err, E_UNSUPPORTED, "--storage-opt: the file system of '%s' %s", e->root_path, why);
	return err_hint(err,
	                "mount an ext4 (mke2fs -O quota,project) with prjquota, or an xfs with "
	                "pquota, for --root");
}

static int get_project(int fd, uint32_t *ret)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -errno;
	*ret = x.fsx_projid;
	return 0;
}

static int set_project(int fd, uint32_t project)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -errno;
	x.fsx_projid = project;
	x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0 ? -errno : 0;
}

static int set_limits(int fd, uint32_t project, const struct disk_quota *quota)
{
	struct if_dqblk limits = {
		.dqb_bhardlimit = (quota->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES,
		.dqb_ihardlimit = quota->inodes,
		.dqb_valid = QIF_LIMITS,
	};

	return quota_call(fd, Q_SETQUOTA, project, &limits);
}

/* Of containers that are gone. */
static int give_back(struct engine *e, struct db *db, struct err *err)
{
	static const struct disk_quota none = { 0 };
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(db, &st, err,
	             "SELECT project FROM container_quota"
	             " WHERE container NOT IN (SELECT id FROM container)") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		set_limits(e->root_fd, (uint32_t)db_i64(&st, 0), &none);
	db_stmt_done(&st);
	if (r < 0 || db_exec(db, err,
	                     "DELETE FROM container_quota"
	                     " WHERE container NOT IN (SELECT id FROM container)") < 0)
		return -1;
	return 0;
}

/* One that nobody uses: no limits, and nothing in it. */
static int choose_project(struct engine *e, uint32_t *ret, struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		struct if_dqblk now = { 0 };
		uint32_t project;
		int r;

		if (getrandom(&project, sizeof(project), 0) != sizeof(project))
			return err_sys(err, errno, "choose a project id");
		project = PROJECT_MIN + project % (INT32_MAX - PROJECT_MIN);
		r = quota_call(e->root_fd, Q_GETQUOTA, project, &now);
		if (r == -ESRCH || r == -ENOSYS || r == -EOPNOTSUPP || r == -ENOTTY)
			return unsupported(e, "has no project quotas", err);
		if (r < 0 && r != -ENOENT)
			return err_sys(err, -r, "--storage-opt: ask for a project quota");
		if (r == -ENOENT || (!now.dqb_curspace && !now.dqb_curinodes &&
		                     !now.dqb_bhardlimit && !now.dqb_ihardlimit)) {
			*ret = project;
			return 0;
		}
	}
	return err_set(err, E_BUSY, "--storage-opt: no free project id was found");
}

static int mark(struct engine *e, int dir_fd, uint32_t project, struct err *err)
{
	static const char *const names[] = { "upper", "work" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FD fd = dir_open_at(dir_fd, names[i], err);
		int r = fd < 0 ? 0 : set_project(fd, project);

		if (fd < 0)
			return -1;
		if (r == -ENOTTY || r == -EOPNOTSUPP || r == -EINVAL)
			return unsupported(e, "has no projects", err);
		if (r < 0)
			return err_sys(err, -r, "--storage-opt: set the project of '%s'", names[i]);
	}
	return 0;
}

int disk_quota_set(struct engine *e, const char *id, int dir_fd, const struct disk_quota *quota,
                   struct err *err)
{
	struct db *db = engine_db(e, err);
	uint32_t project;
	int r;

	if (e->rootless)
		return err_set(err, E_UNSUPPORTED,
		               "--storage-opt: an ordinary user cannot set quotas");
	/* noted before it is set: a kill in between costs one row, which the next one takes back */
	if (!db || choose_project(e, &project, err) < 0 || db_begin_immediate(db, err) < 0)
		return -1;
	if (give_back(e, db, err) < 0 ||
	    db_exec(db, err, "INSERT INTO container_quota(container, project) VALUES(?, ?)",
	            DB_TEXT(id), DB_I64(project)) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0 || mark(e, dir_fd, project, err) < 0)
		return -1;
	r = set_limits(dir_fd, project, quota);
	return r < 0 ? err_sys(err, -r, "--storage-opt: set the quota") : 0;
}

int disk_quota_copy(int dir_fd, struct err *err)
{
	AUTO_FD upper = dir_open_at(dir_fd, "upper", err);
	AUTO_FD work = upper < 0 ? -1 : dir_open_at(dir_fd, "work", err);
	uint32_t project = 0;
	int r;

	if (work < 0)
		return -1;
	r = get_project(upper, &project);
	if (r == 0)
		r = set_project(work, project);
	return r < 0 ? err_sys(err, -r, "--storage-opt: set the project of 'work'") : 0;
}
