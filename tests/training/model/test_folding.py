"""Batch norms folded into convolutions and taken out again."""

import pytest
import timm
import torch
from torch import nn

from cladescope.training.model.folding import fold_norms, unfolded


def model():
    torch.manual_seed(0)
    made = timm.create_model("mobilenetv2_050", pretrained=False, num_classes=0).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.1)
    return made


def test_a_folded_model_computes_the_same_and_unfolds_into_the_same():
    images = torch.randn(2, 3, 64, 64)
    made, fresh = model(), model()
    with torch.inference_mode():
        expected = made(images)
        folded = fold_norms(made)
        torch.testing.assert_close(made(images), expected, rtol=1e-3, atol=2e-3)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in made.modules())
        fresh.load_state_dict(unfolded(made.state_dict(), folded))
        torch.testing.assert_close(fresh.eval()(images), expected, rtol=1e-3, atol=2e-3)


def test_unfolding_keeps_names_under_a_prefix():
    made = nn.ModuleDict({"visual": nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))})
    names = set(made.state_dict())
    folded = fold_norms(made["visual"])
    assert set(unfolded(made.state_dict(), folded, prefix="visual.")) == names


@pytest.mark.parametrize("layers", [[nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)], [nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)]])
def test_a_norm_that_does_not_follow_a_bare_convolution_is_left_alone(layers):
    assert fold_norms(nn.Sequential(*layers)) == ()
