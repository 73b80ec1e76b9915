"""The contrastive focal loss of QueryTrack (Eq 5 to 7) against float64 loops, and where it is delicate."""

import math

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, assert_close_to_largest

from methods.querytrack.track_loss import assignment_logits, contrastive_focal_loss, log_right_and_wrong


def by_loops(embeddings, objects, references, reference_objects, alpha, gamma, entries):
    result = []
    for e, own in zip(embeddings.double().tolist(), objects.tolist(), strict=True):
        exponentials = [
            math.exp(sum(a * b for a, b in zip(e, r, strict=True))) for r in references.double().tolist()
        ]
        denominator = 1 + sum(exponentials)
        p = [1 / denominator, *(value / denominator for value in exponentials)]
        known = reference_objects.tolist()
        right = known.index(own) + 1 if own in known else 0
        total = 0.0
        for n, probability in enumerate(p):
            star = probability if n == right else 1 - probability
            alpha_t = alpha if n == right else 1 - alpha
            summed = {"all": True, "identities": n >= 1, "right": n == right}[entries]
            if summed:
                total += -alpha_t * (1 - star) ** gamma * math.log(star)
        result.append(total)
    return result


@pytest.mark.parametrize("entries", ["all", "identities", "right"])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.4, 1.0), (0.25, 0.0)])
def test_equals_float64_loops(entries, alpha, gamma):
    generator = torch.Generator().manual_seed(1)
    embeddings, references = torch.randn(4, 6, generator=generator), torch.randn(3, 6, generator=generator)
    objects, known = torch.tensor([7, 3, 5, 9]), torch.tensor([3, 8, 7])  # 5 and 9 are not in the reference
    loss = contrastive_focal_loss(embeddings, objects, references, known, alpha, gamma, entries)
    wanted = by_loops(embeddings, objects, references, known, alpha, gamma, entries)
    assert loss.tolist() == pytest.approx(wanted, rel=HUNDRED_ROUNDINGS)


def test_by_hand_with_one_identity():
    # e.e' = log 3: p(1) = 3 / 4, p(0) = 1 / 4
    embedding, reference = torch.tensor([[math.log(3.0)]]), torch.tensor([[1.0]])
    same = contrastive_focal_loss(embedding, torch.tensor([1]), reference, torch.tensor([1]))
    right = -0.25 * 0.25**2 * math.log(0.75)
    wrong = -0.75 * 0.25**2 * math.log(0.75)  # entry 0: p* = 1 - 1/4
    assert same.item() == pytest.approx(right + wrong, rel=HUNDRED_ROUNDINGS)
    absent = contrastive_focal_loss(embedding, torch.tensor([2]), reference, torch.tensor([1]))
    right = -0.25 * 0.75**2 * math.log(0.25)
    wrong = -0.75 * 0.75**2 * math.log(0.25)
    assert absent.item() == pytest.approx(right + wrong, rel=HUNDRED_ROUNDINGS)


def test_the_one_in_the_denominator_leaves_room_for_no_identity():
    logits = assignment_logits(torch.zeros(1, 4), torch.randn(3, 4))
    assert logits.softmax(1).tolist() == [[0.25] * 4]


def test_it_is_focal_and_no_cross_entropy():
    """A pair that is already certain hardly counts: the factor (1 - p*)^2 is left of the cross-entropy."""
    one = torch.tensor([1])
    easy = contrastive_focal_loss(torch.tensor([[4.0]]), one, torch.tensor([[1.0]]), one).item()
    cross_entropy = -math.log(1 / (1 + math.exp(-4)))
    assert easy < 0.001 * cross_entropy


@pytest.mark.parametrize("entries", ["all", "identities", "right"])
@pytest.mark.parametrize("gap", [-300.0, -20.0, 20.0, 300.0])
def test_certain_probabilities_have_finite_losses_and_gradients(gap, entries):
    """In float32 p rounds to 1 from a gap of about 17; log(1 - p) by subtraction is then -inf."""
    embeddings = torch.tensor([[gap], [0.5]], requires_grad=True)
    references = torch.tensor([[1.0], [0.0]], requires_grad=True)
    loss = contrastive_focal_loss(
        embeddings, torch.tensor([0, 1]), references, torch.tensor([0, 2]), entries=entries
    )
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(references.grad).all()
    if gap == -300.0:
        # certain and wrong: alpha_t (-log p*) is 0.25 * 300 at the right entry, the others count below 1
        assert loss[0].item() == pytest.approx(75.0, rel=0.01)
        assert embeddings.grad[0].abs() > 0.1


def test_log_right_and_wrong_are_logarithms_of_p_and_its_complement():
    logits = torch.tensor([[0.0, 1.0, -2.0]])
    p = logits.double().softmax(1)
    right, wrong = log_right_and_wrong(logits)
    assert_close_to_largest(right, p.log().float(), terms=20)
    assert_close_to_largest(wrong, (1 - p).log().float(), terms=20)


def test_without_identities_or_instances_nothing_is_learnt():
    embeddings = torch.randn(2, 3, requires_grad=True)
    none, no_objects = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    loss = contrastive_focal_loss(embeddings, torch.tensor([0, 1]), none, no_objects)
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0]
    assert embeddings.grad.abs().sum() == 0
    assert contrastive_focal_loss(none, no_objects, embeddings, torch.tensor([0, 1])).shape == (0,)


def test_gradients_pull_own_embeddings_together_and_push_others_apart():
    embeddings = torch.tensor([[1.0, 0.0]], requires_grad=True)
    references = torch.tensor([[0.5, 0.5], [0.6, -0.5]], requires_grad=True)
    loss = contrastive_focal_loss(embeddings, torch.tensor([4]), references, torch.tensor([4, 6]))
    loss.sum().backward()
    moved = embeddings.detach() - 0.1 * embeddings.grad
    assert (moved @ references[0]).item() > 0.5
    assert references.grad[1, 0] > 0  # away from the key embedding
    assert references.grad[0, 0] < 0
