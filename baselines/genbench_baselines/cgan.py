"""CGAN: a GAN whose two networks also get the class label (Mirza and Osindero 2014, arXiv 1411.1784)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genbench_baselines.data import TrainingData
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Conditional, by_data


@dataclass
class CGAN(Conditional):
    """Conditional GAN: x = G(z, y), and D distinguishes real from generated samples of the same class y.

    D maximises E ln D(x, y) + E ln(1 - D(G(z, y), y)). G maximises E ln D(G(z, y), y) (non-saturating loss). D uses a
    projection, logit D(x, y) = a(x) + b_y(x) (Miyato and Koyama 2018, arXiv 1802.05637), because a label that is only
    concatenated to the features of x has little effect.
    """

    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=128)
    learning_rate: float = by_data(points=1e-3, images=2e-3)
    average: float = 0.998

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and D, and an optimiser for each."""
        if not classes:
            raise ValueError("cgan needs the class of each training sample, but these data have no labels")
        generator = Decoder(self.latent, shape, classes, normalised=True)
        # one output for a(x) and one b_y(x) for each class y
        self.networks = {"generator": generator, "critic": Encoder(shape, 1 + classes, normalised=True)}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.5, 0.999))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one step on D, then one step on G."""
        real, label = data.draw_labelled(self.batch_size, generator)
        fake = self.generate_classes(self.networks["generator"], label, generator)

        # D = sigmoid(logit), so -ln D = softplus(-logit) and -ln(1 - D) = softplus(logit)
        critic_loss = softplus(-self.logit(real, label)).mean() + softplus(self.logit(fake.detach(), label)).mean()
        self.descend("critic", critic_loss)

        generator_loss = softplus(-self.logit(fake, label)).mean()
        # the gradient flows through the critic, but only the generator changes
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "value": -critic_loss}

    def logit(self, x: Tensor, label: Tensor) -> Tensor:
        """Return logit D(x, y) = a(x) + b_y(x), [N]."""
        outputs = self.networks["critic"](x)  # [N, 1 + classes]: a(x), then b_y(x) of every class
        logit: Tensor = outputs[:, 0] + outputs.gather(1, 1 + label[:, None])[:, 0]
        return logit

    def generate_classes(self, network: nn.Module, label: Tensor, generator: torch.Generator) -> Tensor:
        """x = G(z, y), z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(len(label), self.latent, generator=generator), label)
        return samples
