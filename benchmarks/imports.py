"""How long `import mtlbench` and the first answer of the library take, each in a process of its own.

python -m benchmarks.imports --runs 20
"""

import argparse
import statistics
import subprocess
import sys
import time

# What is timed -> the program; the first is what Python takes by itself.
PROGRAMS = {
    "python": "pass",
    "import mtlbench": "import mtlbench",
    "statistics": "import mtlbench as mb; mb.statistics.holm([0.01, 0.02])",
    "results of one suite": "import mtlbench as mb; mb.load_results(suite='multimnist')",
    "all results": "import mtlbench as mb; mb.load_results()",
    "a board": "import mtlbench as mb; mb.table('multimnist_1')",
}


def measure_program(program: str, runs: int) -> float:
    """Median seconds of a new interpreter from start to end."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Print a line for each program: seconds beyond those of the bare interpreter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="processes of each (default: 10)")
    runs = parser.parse_args().runs
    bare = measure_program(PROGRAMS["python"], runs)
    print(f"python itself: {bare:.3f} s; beyond it, median of {runs} processes:")
    for name, program in list(PROGRAMS.items())[1:]:
        print(f"{measure_program(program, runs) - bare:8.3f} s  {name}")


if __name__ == "__main__":
    main()
