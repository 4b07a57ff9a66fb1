"""Tests of nbs/envs/30_meshes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import mujoco
import numpy as np
import pytest

from prism_repro.envs.meshes import _carry_texture, _weld, thin_meshes
from prism_repro.envs.rendering import Renderer, RenderSettings


def scene(xml):
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def ball_mesh(n=40):
    "A scene with one visual and one colliding mesh of the same ball."
    theta, phi = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 2 * n, endpoint=False))
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    at = lambda i, j: (i % (2 * n)) * n + j
    faces = [f for i in range(2 * n) for j in range(n - 1) for f in ((at(i, j), at(i, j + 1), at(i + 1, j)), (at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)))]
    vertex, face = " ".join(f"{x:.5f}" for x in points.ravel()), " ".join(str(v) for f in faces for v in f)
    mesh = "".join(f'<mesh name="{name}" vertex="{vertex}" face="{face}"/>' for name in ("seen", "felt"))
    return f"""<mujoco><asset>{mesh}</asset><worldbody><light pos="0 -1 3"/><camera pos="0 -4 0" xyaxes="1 0 0 0 0 1"/>
        <geom type="mesh" mesh="seen" contype="0" conaffinity="0" group="1"/><geom type="mesh" mesh="felt" group="0"/></worldbody></mujoco>"""


def test_only_meshes_that_touch_nothing_are_thinned():
    model, _ = scene(ball_mesh())
    faces = model.mesh_facenum.copy()
    felt = model.mesh_vert[model.mesh_vertadr[1] :].copy()
    before, after = thin_meshes(model, 0.1)
    assert before == faces.sum() and after == model.mesh_facenum.sum()
    assert model.mesh_facenum[1] == faces[1] and np.array_equal(model.mesh_vert[model.mesh_vertadr[1] :], felt)
    assert 0.05 < model.mesh_facenum[0] / faces[0] < 0.15
    radius = np.linalg.norm(model.mesh_vert[: model.mesh_vertnum[0]], axis=1)
    normal = np.linalg.norm(model.mesh_normal[: model.mesh_normalnum[0]], axis=1)
    assert np.allclose(radius, 1, atol=0.05) and np.allclose(normal, 1, atol=1e-5)


@pytest.mark.gl
def test_a_thinned_ball_looks_like_the_ball():
    frames = []
    for thin in (1.0, 0.1):
        model, data = scene(ball_mesh())
        renderer = Renderer(model, RenderSettings(thin=thin), size=64)
        frames.append(renderer.render(data, 0, 64).astype(float))
        renderer.close()
    assert frames[0].std() > 20 and 0 < np.abs(frames[0] - frames[1]).mean() < 3


def test_welding_is_numpy_s_unique():
    points = np.random.default_rng(0).integers(-3, 3, (500, 3)).astype(np.float32)
    ours, index = _weld(points)
    theirs, inverse = np.unique(points, axis=0, return_inverse=True)
    assert np.array_equal(ours, theirs) and np.array_equal(index, inverse.reshape(-1))


def grid(n, height=lambda x, y: 0 * x):
    "Faces of a sheet [2 n n 3 3] whose texture coordinate is its place (x, y)."
    x, y = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, n + 1), indexing="ij")
    points, uv = np.stack([x, y, height(x, y)], -1), np.stack([x, y], -1)
    a, b, c, d = ((slice(i, n + i), slice(j, n + j)) for i, j in ((0, 0), (1, 0), (0, 1), (1, 1)))
    corners = lambda of: np.concatenate([np.stack([of[p] for p in face], -2).reshape(-1, 3, of.shape[-1]) for face in ((a, b, c), (b, d, c))])
    return corners(points), corners(uv)


def check_sheet(carry):
    wavy = lambda x, y: 0.1 * np.sin(6 * x)
    old, uv = grid(30, wavy)
    new, expected = grid(6, wavy)
    assert np.abs(carry(old, uv, new) - expected).max() < 0.03


def test_a_label_stays_where_it_is():
    check_sheet(_carry_texture)
    with pytest.raises(AssertionError):
        check_sheet(lambda old, uv, new: _carry_texture(old, uv[:, :, ::-1], new))  # the label turned over


def check_seam(carry):
    "Two sheets side by side whose textures lie far apart in the picture: no face may span both."
    left, uv = grid(20)
    old, uv = np.concatenate([left, left + [1, 0, 0]]), np.concatenate([uv * 0.3, uv * 0.3 + 0.7])
    new, _ = grid(4)
    found = carry(old, uv, np.concatenate([new, new + [1, 0, 0]]))
    assert np.ptp(found, axis=1).max() < 0.3 and (found[: len(new)] < 0.4).all() and (found[len(new) :] > 0.6).all()


def test_no_face_is_smeared_across_a_seam():
    from scipy.spatial import cKDTree

    check_seam(_carry_texture)

    def nearest(old, uv, new):  # each corner for itself
        return uv.reshape(-1, 2)[cKDTree(old.reshape(-1, 3)).query(new.reshape(-1, 3) + [1e-9, 0, 0])[1]].reshape(-1, 3, 2)

    with pytest.raises(AssertionError):
        check_seam(nearest)


def checkered(n=60):
    "A scene with a textured, visual-only sheet."
    old, uv = grid(n, lambda x, y: 0.02 * np.sin(20 * x) * np.sin(20 * y))
    numbers = lambda values: " ".join(f"{v:.5f}" for v in values.ravel())
    faces = " ".join(map(str, range(3 * len(old))))
    return f"""<mujoco><asset><texture name="t" type="2d" builtin="checker" rgb1="1 0 0" rgb2="0 0 1" width="64" height="64"/><material name="m" texture="t" texrepeat="3 3"/>
        <mesh name="sheet" vertex="{numbers(old)}" texcoord="{numbers(uv)}" face="{faces}"/></asset><worldbody><light pos=".5 .5 3" dir="0 0 -1"/>
        <camera pos=".5 .5 1.6"/><geom type="mesh" mesh="sheet" material="m" contype="0" conaffinity="0" group="1"/></worldbody></mujoco>"""


@pytest.mark.gl
def test_a_thinned_sheet_keeps_its_checkers():
    frames, faces = [], []
    for thin in (1.0, 0.05):
        model, data = scene(checkered())
        renderer = Renderer(model, RenderSettings(thin=thin), size=64)
        frames.append(renderer.render(data, 0, 64).astype(int))
        faces.append(int(model.mesh_facenum[0]))
        renderer.close()
    assert faces[1] < 0.06 * faces[0]
    red = [frame[..., 0] > frame[..., 2] for frame in frames]
    assert 0.2 < red[0].mean() < 0.8 and (red[0] != red[1]).mean() < 0.05
