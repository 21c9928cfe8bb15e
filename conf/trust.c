/* trust: see the header. */
#include "conf/trust.h"

#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define THIS_USER ((uid_t)-1)

static uid_t relay_user = THIS_USER; /* that of this process */

void conf_trust_user(uid_t user)
{
    relay_user = user;
}

static bool is_ours(const struct stat *status)
{
    return status->st_uid == 0 ||
           status->st_uid == (relay_user == THIS_USER ? geteuid() : relay_user);
}

static bool is_read_only(const char *path)
{
    struct statvfs mount;
    return statvfs(path, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0;
}

static bool is_in_group(gid_t group)
{
    gid_t groups[NGROUPS_MAX];
    int count = getgroups(NGROUPS_MAX, groups);
    for (int i = 0; i < count; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return group == getegid();
}

/* Is it what fsGroup makes of a volume's directories: of a mount other than that of the root file system,
 * with a group that files in it get and this process has? Only the containers of the pod are in it. */
static bool is_group_volume(const char *directory)
{
    struct statx here, root;
    return statx(AT_FDCWD, directory, 0, STATX_BASIC_STATS | STATX_MNT_ID, &here) == 0 &&
           statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) == 0 &&
           (here.stx_mask & root.stx_mask & STATX_MNT_ID) != 0 &&
           here.stx_mnt_id != root.stx_mnt_id && (here.stx_mode & S_ISGID) != 0 &&
           is_in_group(here.stx_gid);
}

/* The bits of those who must not write here. */
static mode_t forbidden_bits(const char *directory)
{
    return is_group_volume(directory) ? S_IWOTH : S_IWOTH | S_IWGRP;
}

static bool judge_directory(const char *directory, char *fault)
{
    struct stat status;
    if (stat(directory, &status) != 0 || !S_ISDIR(status.st_mode) || is_read_only(directory)) {
        return true;
    }
    if (!is_ours(&status)) {
        snprintf(
            fault, CONF_TRUST_SIZE,
            "is in the directory %.300s, which belongs to user %u, neither root nor the relay's",
            directory, status.st_uid);
        return false;
    }
    /* In a sticky directory nobody can replace what is another's. */
    if ((status.st_mode & S_ISVTX) == 0 && (status.st_mode & forbidden_bits(directory)) != 0) {
        snprintf(fault, CONF_TRUST_SIZE,
                 "is in the directory %.200s, where others can write: chmod go-w %.200s", directory,
                 directory);
        return false;
    }
    return true;
}

static bool judge_file(const char *path, const char *directory, char *fault)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
        return true;
    }
    if (!is_ours(&status)) {
        snprintf(fault, CONF_TRUST_SIZE, "belongs to user %u, neither root nor the relay's",
                 status.st_uid);
        return false;
    }
    if ((status.st_mode & forbidden_bits(directory)) != 0 && !is_read_only(path)) {
        snprintf(fault, CONF_TRUST_SIZE, "can be written by others: chmod go-w %.300s", path);
        return false;
    }
    return true;
}

bool conf_trust(const char *path, char fault[CONF_TRUST_SIZE])
{
    char link[PATH_MAX], target[PATH_MAX];
    fault[0] = '\0';
    if (snprintf(link, sizeof link, "%s", path) >= (int)sizeof link) {
        return true; /* it cannot be opened either */
    }
    const char *directory = dirname(link);
    if (!judge_directory(directory, fault) || realpath(path, target) == NULL) {
        return fault[0] == '\0';
    }
    const char *real_directory = dirname(strcpy(link, target));
    return judge_file(target, real_directory, fault) && judge_directory(real_directory, fault);
}
