/* The L1 distance as C and OpenMP have it: what a kernel on these cores can reach. */
#include <math.h>
#include <stdint.h>

void l1(const uint8_t *images, const float *centres, float *out, long n, long k, long p) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n; i++)
        for (long j = 0; j < k; j++) {
            const uint8_t *image = images + i * p;
            const float *centre = centres + j * p;
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (long q = 0; q < p; q++) sum += fabsf((float)image[q] - centre[q]);
            out[i * k + j] = sum;
        }
}
