/* Pi by the midpoint rule: each rank adds its share of the strips, rank 0 tells the sum. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  const long strips = argc > 1 ? atol(argv[1]) : 1000000;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  double sum = 0, pi;
  for (long i = rank; i < strips; i += size) {
    const double x = (i + 0.5) / strips;
    sum += 4 / (1 + x * x) / strips;
  }
  MPI_Reduce(&sum, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  if (rank == 0) printf("pi=%.10f ranks=%d\n", pi, size);
  MPI_Finalize();
  return 0;
}
