#!/usr/bin/env bash
# One task of a Slurm array embeds one shard of a source; then commit the store. docs/pipeline.md, "Many machines".
#
#   jobs=$(sbatch --parsable --array=1-64 embed.slurm.sh photos/ photos.store)
#   sbatch --dependency=afterok:$jobs --wrap "cladescope commit photos.store"
#
# Further arguments go to `cladescope embed`, for instance --encoder or --device cuda.
#SBATCH --job-name=embed
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
#SBATCH --output=embed-%A-%a.log
set -euo pipefail
source_=$1 store=$2
shift 2
# The number of shards is the largest number of the array, so that one task that failed can be run on its own
# with SHARDS=64 sbatch --array=7 ...
shards=${SHARDS:-$SLURM_ARRAY_TASK_MAX}
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# Slurm signals this shell (B:): exec puts the job in its place, which commits what it has and ends.
exec cladescope embed "$source_" --store "$store" --shard "$SLURM_ARRAY_TASK_ID/$shards" --workers "${SLURM_CPUS_PER_TASK:-2}" "$@"
