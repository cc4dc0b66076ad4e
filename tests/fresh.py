"""Makes the root in which tests/fresh runs a program, and runs it there. Meant for a mount namespace of its own.

What stays of this machine:
- what belongs to a package of the list, to one that every Debian has, or to one that these depend on. Of alternatives it
  is the first that is installed, unless another is there in any case. What is merely recommended does not stay;
- in /etc and /var, where packages write when they are set up, all that belongs to no other package;
- links of update-alternatives, each to the best of what is left; what Python has compiled; the kernel's modules;
- /dev, /proc, /run, /sys, and the folders that the tests use: the clone, the build, temporary files, the corpus.

All else is gone: other packages, /usr/local, /opt, home folders. The search path is that of a new root login.
Compilers are not concerned, since they ran before.
"""

import os
import re
import stat
import subprocess
import sys

TESTS = os.path.dirname(os.path.realpath(__file__))
LIST = os.environ.get("MAILWARD_TEST_PACKAGES", f"{TESTS}/packages.txt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The layers that this root lies over, the upper first: the machine's, and those of a root that was made in the same way.
LAYERS = [layer for layer in os.environ.get("MAILWARD_TEST_LOWER", "/").split(":") if layer]
# Where they are mounted: the first of these below which nothing lies that is needed.
PLACES = ("/srv", "/opt", "/mnt", "/home")
# Folders of the machine as it is.
LIVE = ("/dev", "/proc", "/run", "/sys", "/tmp")
# On every Debian machine, though they belong to no package.
EMPTY = ("/home", "/media", "/mnt", "/opt", "/root", "/srv", "/usr/local", "/usr/local/bin", "/usr/local/etc",
         "/usr/local/lib", "/usr/local/sbin", "/usr/local/share")
# The machine's kernel has what it needs, and no package of the list is asked for it.
MODULES, KERNEL = "/usr/lib/modules", "kmod"


def main():
    program = sys.argv[1:]
    home = os.getcwd()
    needed = folders(program)
    free = (place for place in PLACES if os.path.isdir(place) and not any(below(path, place) for path in needed))
    place = next(free, None) or sys.exit(f"tests/fresh: something is needed below each of {' '.join(PLACES)}")
    run("mount", "-t", "tmpfs", "-o", "mode=755,nr_inodes=0", "mailward-test", place)
    os.chdir(place)
    for name in ("hidden", "upper", "work", "root"):
        os.mkdir(name)
    hide("hidden", Packages(), needed)
    settle()
    overlay([f"{place}/hidden", *LAYERS], "upper")
    for path in needed:
        show(path, path)
    names = [f"{place}/{number}" for number in range(len(LAYERS))]
    run("mount", "-t", "tmpfs", "-o", "mode=755", "mailward-test", f"root{place}")
    show(f"{place}/hidden", f"{place}/hidden")
    for layer, name in zip(LAYERS, names):
        show(layer, name)
    os.chdir("root")
    run("pivot_root", ".", ".")
    run("umount", "-l", ".")
    os.chdir(home if os.path.isdir(home) else "/")
    os.environ["MAILWARD_TEST_LOWER"] = ":".join([f"{place}/hidden", *names])
    os.environ["PATH"] = PATH
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"tests/fresh: {program[0]}: {error.strerror}")


def folders(program):
    """The folders that stay as they are, none of them below another."""
    # Cargo puts test programs in TARGET/PROFILE/deps.
    built = [os.path.realpath(word) for word in program if "/deps/" in word and os.path.isfile(word)]
    names = ("CARGO_TARGET_DIR", "MAILWARD_CORPUS", "MAILWARD_NOT_RUN", "MAILWARD_TEST_PACKAGES", "TMPDIR")
    named = [os.path.realpath(os.environ[name]) for name in names if os.environ.get(name)]
    paths = {*LIVE, os.path.dirname(TESTS), *filter(os.path.exists, named)}
    paths.update(os.path.dirname(os.path.dirname(os.path.dirname(path))) for path in built)
    paths.update(layer for layer in LAYERS if layer != "/")
    # Names and addresses of a container are mounted there.
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts]
    paths.update(point for point in points if below(point, "/etc"))
    return sorted(path for path in paths if not any(below(path, other) for other in paths if path != other))


def below(path, folder):
    return path == folder or path.startswith(f"{folder}/")


class Packages:
    """Which files of this machine belong to the list, and which to other packages."""

    def __init__(self):
        self.depends, self.provides, self.full, base = {}, {}, {}, ["apt", KERNEL]
        fields = ("Package", "binary:Package", "db:Status-Status", "Essential", "Priority", "Pre-Depends", "Depends", "Provides")
        form = "\\t".join(f"${{{field}}}" for field in fields) + "\\n"
        for line in output("dpkg-query", "--show", "--showformat", form).splitlines():
            name, full, status, essential, priority, before, depends, provides = line.split("\t")
            if status != "installed":
                continue
            # One name may be there for several architectures.
            self.full.setdefault(name, []).append(full)
            self.depends.setdefault(name, []).extend([*groups(before), *groups(depends)])
            for virtual in groups(provides):
                self.provides.setdefault(virtual[0], []).append(name)
            if essential == "yes" or priority == "required":
                base.append(name)
        with open(LIST) as file:
            listed = [word for line in file for word in line.split("#")[0].split()]
        kept = self.closure(base + listed)
        self.kept = files(full for name in kept for full in self.full[name])
        self.others = files(full for name in self.full if name not in kept for full in self.full[name])

    def closure(self, left):
        """The packages of a list, and those that they depend on."""
        kept, choices = set(), []
        while left or choices:
            if left:
                name = left.pop()
                if name in self.depends and name not in kept:
                    kept.add(name)
                    for group in self.depends[name]:
                        alone = len(group) == 1 and group[0] in self.depends
                        (left if alone else choices).append(group[0] if alone else group)
                continue
            # Only now is it known which of the alternatives are there in any case.
            found = [name for one in choices.pop(0) for name in [one, *self.provides.get(one, [])] if name in self.depends]
            if not kept.intersection(found):
                left += found[:1]
        return kept


def groups(field):
    """A field of dependencies: groups of alternatives, each by its name alone."""
    split = (re.findall(r"(?:^|\|)\s*([a-z0-9][a-z0-9.+-]*)", group) for group in field.split(","))
    return [group for group in split if group]


def files(packages):
    """All paths of packages, as they are where links of folders are followed, and the folders above them."""
    paths, real = {"/"}, {}
    for line in output("dpkg-query", "--listfiles", *packages).splitlines():
        # Other lines tell where the file of the line before went that some package has diverted.
        folder, name = os.path.split(line if line.startswith("/") else line.rpartition(": ")[2])
        if not folder.startswith("/"):
            continue
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        path = os.path.join(real[folder], name)
        while path not in paths:
            paths.add(path)
            path = os.path.dirname(path)
    return paths


def hide(layer, packages, needed):
    """Puts into a layer the overlay's sign of a file that is gone, wherever this machine has more than a fresh one."""
    layer = os.path.abspath(layer)
    gone = f"{layer}/../gone"
    os.mknod(gone, stat.S_IFCHR)
    made = {"/"}

    def make(path):
        if path not in made:
            make(os.path.dirname(path))
            made.add(path)
            os.mkdir(layer + path)
            alike(path)

    def alike(path):
        like = os.stat(path)
        os.chown(layer + path, like.st_uid, like.st_gid)
        os.chmod(layer + path, stat.S_IMODE(like.st_mode))

    def stays(entry):
        path = entry.path
        if path in packages.kept or path in EMPTY:
            return True
        if path.startswith(("/etc/", "/var/")):
            return path not in packages.others
        if entry.is_symlink():
            return os.readlink(path).startswith("/etc/alternatives/")
        return entry.name == "__pycache__" or below(path, MODULES)

    def walk(folder):
        for entry in os.scandir(folder):
            if entry.path in needed:
                continue
            if not stays(entry):
                make(folder)
                os.link(gone, layer + entry.path)
            elif entry.is_dir(follow_symlinks=False):
                walk(entry.path)

    alike("/")
    walk("/")


def settle():
    """Has Debian's own tool choose anew where the choice of an alternative is hidden, in the layer that hides."""
    overlay(LAYERS, "hidden")
    for name in sorted(os.listdir("/var/lib/dpkg/alternatives")):
        choice = os.path.realpath(f"/etc/alternatives/{name}")
        if not os.path.lexists(f"root{choice}"):
            # Where nothing is left it fails, having taken the name away.
            subprocess.run(["chroot", "root", "update-alternatives", "--quiet", "--auto", name], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("umount", "root")
    run("rm", "-r", "work")
    os.mkdir("work")


def overlay(lower, upper):
    run("mount", "-t", "overlay", "-o", f"lowerdir={':'.join(lower)},upperdir={upper},workdir=work", "overlay", "root")


def show(path, name):
    """Mounts a path of this machine in the root, by a name of its own."""
    there = f"root{name}"
    if os.path.isdir(path):
        os.makedirs(there, exist_ok=True)
    elif not os.path.lexists(there):
        os.makedirs(os.path.dirname(there), exist_ok=True)
        open(there, "w").close()
    # The layers are needed without what is mounted on them.
    run("mount", "--bind" if path in LAYERS else "--rbind", path, there)


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(*command):
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
