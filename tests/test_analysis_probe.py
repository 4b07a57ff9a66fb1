"""Tests of nbs/analysis/74_probe.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import h5py
import numpy as np
import pytest
import torch

from prism_repro.analysis.probe import PENALTIES, Frames, by_episode, deal_folds, encoder_features, leave_episode_out, load_frames, probe, project, ridge, standardise
from prism_repro.data.schema import write_demos
from prism_repro.vision.build import make_encoder
from prism_repro.vision.pooling import AvgPool, PooledResNet, SSPool
from prism_repro.vision.prism import PRISM


def linear(episodes=24, frames=5, d=40, noise=0.0, seed=0):
    "Features that hold the position linearly (m), among others that do not; the object rests during an episode."
    rng = np.random.default_rng(seed)
    episode = np.repeat(np.arange(episodes), frames)
    position = rng.uniform(-0.1, 0.1, (episodes, 3))[episode]
    x = np.concatenate([position, 0.05 * rng.standard_normal((len(episode), d - 3))], axis=1) @ rng.standard_normal((d, d))
    return x + noise * rng.standard_normal(x.shape), position, episode


@pytest.mark.parametrize("n, k", [(60, 8), (30, 80), (25, 25)])
def test_ridge_is_scikit_learn_s(n, k):
    model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(n)
    z, y = rng.standard_normal((n, k)) + 3, rng.standard_normal((n, 3)) - 7
    penalties = (1e-3, 0.1, 10.0)

    def check(fit):
        weights, intercepts = fit(z, y, penalties)
        for i, penalty in enumerate(penalties):
            peer = model.Ridge(alpha=n * penalty).fit(z, y)
            np.testing.assert_allclose(weights[i].T, peer.coef_, atol=1e-10)
            np.testing.assert_allclose(intercepts[i], peer.intercept_, atol=1e-9)

    check(ridge)
    with pytest.raises(AssertionError):
        check(lambda z, y, p: ridge(z, y, [v / n for v in p]))  # the penalty not scaled by n
    with pytest.raises(AssertionError):
        check(lambda z, y, p: (ridge(z, y, p)[0], 0 * ridge(z, y, p)[1]))  # no intercept


@pytest.mark.parametrize("k", [6, 90])
def test_leaving_an_episode_out_is_fitting_without_it(k):
    rng = np.random.default_rng(k)
    episode = rng.permutation(np.repeat(np.arange(7), [3, 9, 1, 6, 8, 5, 4]))  # frames in any order
    z, y = rng.standard_normal((36, k)), rng.standard_normal((36, 3))
    penalties = (1e-2, 1.0)

    def check(groups):
        fast = leave_episode_out(z, y, groups, penalties)
        for g in range(7):
            out = episode == g
            weights, intercepts = ridge(z[~out], y[~out], [p * 36 / (~out).sum() for p in penalties])
            np.testing.assert_allclose(fast[:, out], y[out] - (z[out] @ weights + intercepts[:, None]), atol=1e-9)

    check(episode)
    with pytest.raises(AssertionError):
        check(np.arange(36))  # leaves frames out, not episodes


def test_a_position_that_is_there_is_found_whatever_the_dimension():
    x, position, episode = linear()
    exact = probe([x], position, episode, dim=40)["errors_mm"]
    assert exact.max() < 1  # mm
    for dim in (41, 64, 300):  # projected up: nothing is lost, nothing gained
        np.testing.assert_allclose(probe([x], position, episode, dim=dim)["errors_mm"], exact, rtol=1e-3, atol=1e-6)
    narrow = probe([x], position, episode, dim=8)["errors_mm"]
    assert np.median(narrow) > 10  # 8 of 40 dimensions cannot hold it
    assert probe([np.zeros((len(x), 4))], position, episode)["errors_mm"] == pytest.approx(_mean_errors(position, episode))


def _mean_errors(position, episode, folds=5, seed=0):
    fold = deal_folds(episode.max() + 1, folds, seed)[episode]
    return np.concatenate([[1000 * np.linalg.norm(position[fold != f].mean(0) - p)] for p, f in zip(position, fold)])


def test_units_offsets_and_labels_make_no_difference():
    x, position, episode = linear(noise=0.05)
    first, second = x[:, :25], x[:, 25:]
    errors = probe([first, second], position, episode, dim=64)["errors_mm"]
    same = probe([first * 1000 + 5, second * 0.01 - 3], position, episode, dim=64)["errors_mm"]
    np.testing.assert_allclose(same, errors, rtol=1e-6)
    np.testing.assert_allclose(probe([first, second], position + 4, episode * 2 + 1, dim=64)["errors_mm"], errors, rtol=1e-6)
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_allclose(probe([first[order], second[order]], position[order], episode[order], dim=64)["errors_mm"], errors[order], rtol=1e-6)
    assert not np.allclose(probe([x], position, episode, dim=64, seed=1)["errors_mm"], errors, rtol=1e-2)


def test_episodes_are_never_torn_apart():
    "Features that name the episode and know nothing of positions: whoever mixes frames of one episode over the folds seems to read the position."
    rng = np.random.default_rng(0)
    episode = np.repeat(np.arange(30), 6)
    position = rng.uniform(-0.1, 0.1, (30, 3))[episode]
    x = rng.standard_normal((30, 20))[episode] + 0.01 * rng.standard_normal((180, 20))
    chance = np.median(_mean_errors(position, episode))

    def check(groups):
        assert np.median(probe([x], position, groups, dim=64)["errors_mm"]) > 0.9 * chance

    check(episode)
    with pytest.raises(AssertionError):
        check(np.arange(180))  # every frame its own episode
    assert np.median(probe([x], position, np.arange(180), dim=64)["errors_mm"]) < 0.6 * chance  # so much would be gained


def test_nothing_of_a_test_fold_is_used():
    "Neither its positions (penalty, fit) nor its features (scale) touch the predictions of its own fold."
    import prism_repro.analysis.probe as module

    x, position, episode = linear(noise=0.5)
    fold = deal_folds(24, 5, 0)[episode]
    test = fold == 2
    one = np.flatnonzero(test)[0]

    def check():
        before = probe([x], position, episode, dim=64)
        shuffled = position.copy()
        shuffled[test] = np.random.default_rng(1).permutation(position[test]) * 3
        after = probe([x], shuffled, episode, dim=64)
        assert before["penalties"][2] == after["penalties"][2]
        stretched = x.copy()
        stretched[test & (np.arange(len(x)) != one)] *= 50
        assert probe([stretched], position, episode, dim=64)["errors_mm"][one] == pytest.approx(before["errors_mm"][one], rel=1e-3)

    check()
    good = module.standardise, module.leave_episode_out
    try:
        module.standardise = lambda blocks, train: good[0](blocks, slice(None))  # scaled on all episodes
        with pytest.raises(AssertionError):
            check()
        module.standardise = good[0]
        best = {}

        def peek(z, y, groups, penalties):  # the penalty that suits the test fold best
            best["k"] = best.get("k", -1) + 1
            k = best["k"] % 5
            z_all = good[0](project([x], 64), fold != k)
            w, c = ridge(z, y, penalties)
            target = peek.position if best["k"] >= 5 else position
            score = [np.linalg.norm(z_all[fold == k] @ w[i] + c[i] - target[fold == k], axis=1).mean() for i in range(len(penalties))]
            return np.array(score)[:, None, None] * np.ones((1, len(y), 3))

        peek.position = position.copy()
        peek.position[test] = np.random.default_rng(1).permutation(position[test]) * 3
        module.leave_episode_out = peek
        with pytest.raises(AssertionError):
            check()
    finally:
        module.standardise, module.leave_episode_out = good


def test_folds_test_every_episode_once_and_alike_for_all():
    fold = deal_folds(23, 5)
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5] and np.array_equal(fold, deal_folds(23, 5)) and not np.array_equal(fold, deal_folds(23, 5, seed=1))
    for count, folds in ((3, 4), (5, 1), (2, 2)):
        with pytest.raises(ValueError, match=f"{count} episodes do not make {folds} folds"):
            deal_folds(count, folds)


def test_rare_pixels_do_not_explode():
    "A pixel that is lit in a few episodes only: scaling each feature on its own would send the test frames of the others far away."
    x, position, episode = linear(episodes=40, noise=0.05)
    rare = np.zeros((len(x), 300))
    rare[np.arange(len(x)), np.random.default_rng(0).integers(0, 300, len(x))] = 1e-4
    errors = probe([np.concatenate([x, rare], axis=1)], position, episode, dim=256)["errors_mm"]
    assert errors.max() < 3 * probe([x], position, episode, dim=256)["errors_mm"].max()


@pytest.mark.parametrize("dim", [16, 200])
def test_the_projection_is_fixed_and_blocks_have_their_own(dim):
    x = np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)
    assert np.array_equal(project([x], dim)[0], project([x], dim)[0]) and not np.allclose(project([x], dim)[0], project([x], dim, 1)[0])
    np.testing.assert_allclose(project([x + 100], dim)[0], project([x], dim)[0], atol=1e-3)
    two = standardise(project([x, -x], dim), np.arange(6))
    assert np.abs(two).sum() > 1  # one matrix for both would cancel them
    np.testing.assert_allclose(standardise(project([x], dim), np.arange(6)).var(0).sum(), 1)


def test_bad_features_are_refused():
    x, position, episode = linear()
    x[3, 4] = np.nan
    for blocks in ([x], [x[:-1]], []):
        with pytest.raises(ValueError, match="expected finite blocks of a row a frame"):
            probe(blocks, position, episode)


def annotations(path, lengths=(6, 4, 5), contact_at=(4, 4, 0)):
    "A file as `annotate` writes it, small."
    rng = np.random.default_rng(0)
    episodes = []
    for n, touched in zip(lengths, contact_at):
        obs = {"agentview_image": rng.integers(0, 255, (n, 12, 12, 3), dtype=np.uint8), "robot0_eef_pos": rng.random((n, 3)),
               "robot0_eef_quat": rng.random((n, 4)), "robot0_gripper_qpos": rng.random((n, 2)), "object": rng.random((n, 7))}
        contact = np.arange(n) >= touched
        contact[touched + 1 :: 2] = False  # a finger may let go again
        episodes.append(dict(actions=np.zeros((n, 7)), states=rng.random((n, 5)), model_file="<mujoco/>", obs=obs, object_pos=rng.random((n, 3)), contact=contact, step=np.arange(n)))
    return write_demos(path, episodes, attrs={"env_args": {"env_name": "Lift"}, "task": "lift"})


def test_only_frames_before_the_first_contact(tmp_path):
    path = annotations(tmp_path / "a.hdf5")
    frames = load_frames(path, ["agentview"])
    assert frames.names == ["demo_0", "demo_1"] and frames.episode.tolist() == [0] * 4 + [1] * 4  # demo_1 is never touched, demo_2 from the start
    assert load_frames(path, ["agentview"], every=3).episode.tolist() == [0, 0, 1, 1]
    assert set(frames.low_dim) == {"robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"}  # robomimic's "object" would give the answer away
    with h5py.File(path) as file:
        demo = file["data/demo_0"]
        assert np.array_equal(frames.images["agentview"][:4], demo["obs/agentview_image"][:4]) and np.array_equal(frames.position[:4], demo["object_pos"][:4])
    grouped = by_episode(np.arange(8) / 3, frames)
    assert grouped[1] == dict(episode="demo_1", errors_mm=[1.33, 1.67, 2.0, 2.33])


def test_a_file_that_cannot_be_probed_says_why(tmp_path):
    with pytest.raises(ValueError, match="data/demo_0 lacks obs/robot0_eye_in_hand_image"):
        load_frames(annotations(tmp_path / "a.hdf5"), ["agentview", "robot0_eye_in_hand"])
    with pytest.raises(ValueError, match="no frame before the first contact"):
        load_frames(annotations(tmp_path / "b.hdf5", contact_at=(0, 0, 0)), ["agentview"])


@pytest.mark.parametrize("make", [lambda: PooledResNet(SSPool(64, 4), 8), lambda: PooledResNet(AvgPool(), 8, 3), lambda: PRISM(8, num_kp=4),
                                  lambda: make_encoder({"name": "MS-SSPool", "width": 8}, 40)])
def test_features_are_what_the_policy_s_encoder_computes(make):
    from prism_repro.vision.observation import ObservationEncoder

    torch.manual_seed(0)
    net = make()
    whole = ObservationEncoder({"agentview": net}, {}).eval()
    images = np.random.default_rng(0).integers(0, 255, (5, 48, 48, 3), dtype=np.uint8)
    caught = encoder_features(net.train(), images, 40, batch=2)
    x = torch.from_numpy(images[:, 4:44, 4:44].transpose(0, 3, 1, 2)).float() / 255
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(caught["output"]), whole({"agentview": x[:, None]}), rtol=1e-4, atol=1e-5)
        maps = net.backbone((x - whole.mean) / whole.std)
    assert len(maps) == sum(place.startswith("stage") for place in caught)
    for s, features in enumerate(maps, start=1):
        torch.testing.assert_close(torch.from_numpy(caught[f"stage {s}"]), features.flatten(1), rtol=1e-3, atol=1e-4)
    if hasattr(net, "pool"):
        heads = net.tokens((x - whole.mean) / whole.std).unbind(1) if isinstance(net, PRISM) else net.parts((x - whole.mean) / whole.std)
        for s, vector in enumerate(heads, start=1):
            torch.testing.assert_close(torch.from_numpy(caught[f"head {s}"]), vector.detach(), rtol=1e-3, atol=1e-4)
    assert net.training and not any(m._forward_hooks for m in net.modules())


def test_positions_that_are_no_numbers_are_refused():
    rng = np.random.default_rng(0)
    x, y, e = rng.normal(size=(40, 5)), rng.normal(size=(40, 3)), np.repeat(np.arange(10), 4)
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite positions"):
        probe([x], y, e, dim=5)
    with pytest.raises(ValueError, match="expected finite positions"):
        probe([x], np.zeros((40, 3)), e[:-1], dim=5)
