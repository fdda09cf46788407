"""The batches of a run from one loader, which goes on from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from likewise.data.photos import Batch, Photos, collate
from likewise.data.sampler import EpochSampler, RunSampler
from likewise.training.stopping import leave_signals_to_the_parent

__all__ = ["BatchStream"]


class BatchStream:
    """Iterating gives the batches from the place of the sampler to the end of its epoch.

    The next epoch goes on with the same stream of batches, some of which worker processes have
    ready. Another place, as of a resumed run, begins a new stream.

    Args:
        photos: the dataset.
        sampler: draws the batches; ``start_at`` sets the place.
        steps: of the run; the stream ends with it.
        workers: the number of worker processes.
        pin: whether batches lie in page-locked memory, for a GPU.
    """

    def __init__(
        self, photos: Photos, sampler: EpochSampler, steps: int, workers: int, *, pin: bool
    ) -> None:
        self.sampler = sampler
        self.workers = workers
        self._run = RunSampler(sampler, steps)
        self._loader: torch.utils.data.DataLoader[object] = torch.utils.data.DataLoader(
            photos,
            batch_sampler=self._run,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=leave_signals_to_the_parent,
            persistent_workers=workers > 0,
            pin_memory=pin,
            # Its own generator: the loader must not change the random state of dropout.
            generator=torch.Generator(),
        )
        self._batches: Iterator[Batch] | None = None
        self._place = (0, 0)

    @property
    def steps(self) -> int:
        """The steps of the run; another number begins a new stream."""
        return self._run.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._run.steps = steps
        self._batches = None

    def __iter__(self) -> Iterator[Batch]:
        epoch, batch = self.sampler.epoch, self.sampler.batch
        if self._batches is None or (epoch, batch) != self._place:
            self._batches = iter(self._loader)
        batches = self._batches
        while batch < len(self.sampler):
            found = next(batches, None)
            if found is None:
                return
            batch += 1
            self._place = (epoch, batch) if batch < len(self.sampler) else (epoch + 1, 0)
            yield found

    def end(self) -> None:
        """End the worker processes.

        Python would end them at exit with a signal that they ignore (see
        ``leave_signals_to_the_parent``), and wait for them forever.
        """
        iterator = self._loader._iterator
        if isinstance(iterator, torch.utils.data.dataloader._MultiProcessingDataLoaderIter):
            iterator._shutdown_workers()
            for worker in iterator._workers:
                if worker.is_alive():  # it hangs, for example on a disk that does not answer
                    worker.kill()
